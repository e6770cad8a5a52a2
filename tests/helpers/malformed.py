"""Malformed programs with one clear meaning, and the program that each is read as."""

from __future__ import annotations

#: Written, and the program that it is read as.
MALFORMED = [
    # spelling
    ("count(Object, lambda x: red(x)) = 2", "count(Object, lambda x: red(x)) == 2"),
    (
        "iota(Shape, lambda s: count(Object, lambda x: shape(x, s)) = 1)",
        "iota(Shape, lambda s: count(Object, lambda x: shape(x, s)) == 1)",
    ),
    ('if exists(Object) then "a" else if no(Object) then "b" else "c"',
     '"a" if exists(Object) else "b" if no(Object) else "c"'),
    ("if exists(Object) then no(Object) end", "implies(exists(Object), no(Object))"),
    ("not exists(Object).", "not exists(Object)"),
    ("max(count(Object, lambda y: same_size(x, y)), for x in Object)",
     "max((count(Object, lambda y: same_size(x, y)) for x in Object))"),
    # other words
    ("mod(count(Object), 2) == 0", "count(Object) % 2 == 0"),
    ("sub(count(Object), 2)", "count(Object) - 2"),
    ("add(count(Object), -count(Object))", "count(Object) + -count(Object)"),
    ("less_than_equals(count(Object), 2)", "count(Object) <= 2"),
    ("not_exists(Object, lambda x: red(x))", "no(Object, lambda x: red(x))"),
    # the names of things
    ("exists(Object, lambda x: behind(x, large_red_cube()))",
     "exists(Object, lambda x: behind(x, iota(Object, lambda y: large(y) and red(y) and cube(y))))"),
    ("exists(Object, lambda x: behind(x, redCube))",
     "exists(Object, lambda x: behind(x, iota(Object, lambda y: red(y) and Cube(y))))"),
    ("describe(Shape, closest())", "describe(Shape, iota(Object, lambda y: closest(y)))"),
    ("max(count(Object, lambda x: color(x, c)) for c in colors)",
     "max((count(Object, lambda x: color(x, c)) for c in Color))"),
    ("exists(Object, lambda x: not on(x, _))", "exists(Object, lambda x: not exists(Object, lambda y2: on(x, y2)))"),
    ("exists(Object, lambda x: row(x, 3))", 'exists(Object, lambda x: row(x, "3"))'),
    # the most
    ("describe(Color, max(Object, lambda x: cube(x), lambda x: size(x)))",
     "describe(Color, iota(Object, lambda x: cube(x) and "
     "forall(Object, lambda x2: implies(cube(x2), size(x) >= size(x2)))))"),
    ("describe(Color, farthest(Object, lambda x: cube(x)))",
     "describe(Color, iota(Object, lambda x: cube(x) and farthest(x)))"),
    ("describe(Color, closest(iota(Object, lambda x: cube(x))))",
     "describe(Color, iota(Object, lambda x: cube(x) and closest(x)))"),
    ("iota(Object, lambda x: farthest(x, Object))", "iota(Object, lambda x: farthest(x))"),
    ("iota(Object, lambda x: largest(x, Object, lambda y: red(y)))",
     "iota(Object, lambda x: red(x) and forall(Object, lambda y2: implies(red(y2), larger(x, y2))))"),
    ("exists(Object, lambda x: smallest(x) and near(x, iota(Object, lambda y: cube(y) and smallest(y))))",
     "exists(Object, lambda x: forall(Object, lambda x2: implies(near(x2, iota(Object, lambda y: cube(y) and "
     "forall(Object, lambda y2: implies(cube(y2), smaller(y, y2))))), smaller(x, x2))) and near(x, iota(Object, "
     "lambda y: cube(y) and forall(Object, lambda y2: implies(cube(y2), smaller(y, y2))))))"),
    ("iota(Shape, lambda s: max(count(Object, lambda x: shape(x, s))))",
     "iota(Shape, lambda s: forall(Shape, lambda s2: "
     "count(Object, lambda x: shape(x, s)) >= count(Object, lambda x: shape(x, s2))))"),
    ("iota(Object, lambda x: count(Object, lambda y: same_shape(x, y)) == "
     "max(count(Object, lambda z: same_shape(x, z))))",
     "iota(Object, lambda x: forall(Object, lambda x2: "
     "count(Object, lambda z: same_shape(x, z)) >= count(Object, lambda z: same_shape(x2, z))))"),
    ("most_common(Object, lambda x: color(x))", "mode(Color, lambda v2: count(Object, lambda x: color(x, v2)))"),
    ("describe(Color, mode(Object, lambda x: color(x)))",
     "mode(Color, lambda v2: count(Object, lambda x: color(x, v2)))"),
    # how many different, all the same
    ("count_distinct(Object, lambda x: cube(x), lambda x: color(x))",
     "count(Color, lambda v2: exists(Object, lambda x: cube(x) and color(x, v2)))"),
    ("count(Set, lambda x: describe(Color, x))", "count(Color, lambda v2: exists(Object, lambda x: color(x, v2)))"),
    ("all_same(Material, lambda x: cube(x))",
     "same_material(iota(Object, lambda x: cube(x)), iota(Object, lambda x: cube(x)))"),
    ("same_color(Object)", "same_color(iota(Object, lambda x: True), iota(Object, lambda x: True))"),
    ("exists(Object, lambda x: exists(Object, lambda y: different(x, y, Color)))",
     "exists(Object, lambda x: exists(Object, lambda y: not same_color(x, y)))"),
    # objects, sorts, pairs
    ("iota(Shape, lambda x: square(x) and red(x))", "describe(Shape, iota(Object, lambda x: square(x) and red(x)))"),
    ("exists(Object, lambda x: exists(Object, lambda y: behind(cube(x), y)))",
     "exists(Object, lambda x: exists(Object, lambda y: behind(x, y) and cube(x)))"),
    ("exists(Object, lambda x: same_object(right_of(x), iota(Object, lambda y: red(y))))",
     "exists(Object, lambda x: same_object(iota(Object, lambda z2: right_of(z2, x)), iota(Object, lambda y: red(y))))"),
    ("iota(x, lambda x: red(x))", "iota(Object, lambda x: red(x))"),
    ("exists(x, y, lambda x: same_shape(x, y))",
     "exists(Object, lambda y: exists(Object, lambda x: same_shape(x, y)))"),
    ("exists(Pair, lambda p: same_color(p[0], p[1]))",
     "exists(Object, lambda p2, p3: distinct(p2, p3) and same_color(p2, p3))"),
    ("forall(Object, Object, lambda x, y: same_color(x, y))",
     "forall(Object, lambda x, y: implies(distinct(x, y), same_color(x, y)))"),
    ("same_color(iota(Object, lambda x: Object), iota(Object, lambda x: Object))",
     "same_color(iota(Object, lambda x: True), iota(Object, lambda x: True))"),
    # brackets
    ("describe(Color, lambda k: Color(k, iota(Object, lambda x: count(Object, lambda y: same_color(x, y)))) == 3)",
     "describe(Color, lambda k: Color(k, iota(Object, lambda x: count(Object, lambda y: same_color(x, y)) == 3)))"),
    ("describe(Color, lambda k: Color(k, iota(Object, lambda x: cube(x))) == red)",
     "describe(Color, lambda k: Color(k, iota(Object, lambda x: cube(x)))) == red"),
    ("count(Object, lambda x: iota(Object, lambda y: red(y), lambda y: left(x, y)))",
     "count(Object, lambda x: iota(Object, lambda y: red(y) and left(x, y)))"),
]  # fmt: skip

#: Malformed programs that had a reading once, of which few occur: an error that says what to write, and its text.
NO_LONGER_READ = [
    ("add(count(Object), negate(count(Object)))", "'negate' is applied to a number"),
    ("equal(count(Object), four)", "unknown name 'four' (line 1, column 22); expected a variable, a value or a sort"),
    ("exists_exactly(2, Object, lambda x: red(x))", "there is no built-in 'exists_exactly'"),
    ("exists_unique(Object, lambda x: red(x))", "there is no built-in 'exists_unique'"),
    ("count(Object, lambda x: description(Color, x) == red)", "there is no built-in 'description'"),
    ("count(Object, lambda x: color(x) is not None)", "This value depends on a variable that a quantifier binds"),
    ("exists(Object, lambda x: behind(x, large(red(cube))))", "'red' is applied to texts only"),
    ("iota(Object, lambda x: size(x) == Smallest)", "This value depends on a variable that a quantifier binds"),
    ('exists(Object, lambda x: size(x, "smallest"))', "'smallest' is no size (line 1, column 26); expected one of"),
    ("greater_than(iota(Object, lambda x: red(x)), iota(Object, lambda x: blue(x)), lambda x: size(x))",
     "'greater_than' takes 2 arguments, not 3"),
    ("count(Object, lambda x: same_color(x, iota(Object, lambda y: red(y))) - 1)", "A formula is no number"),
    ("describe(Color, iota(Object, lambda x: cube(x))) and describe(Color, iota(Object, lambda x: sphere(x)))",
     "A described value is no truth value"),
    ("greater_than(count(Object, lambda x: red(x))), 2", "'greater_than' takes 2 arguments, not 1"),
    ("most(Object, lambda x: red(x), lambda x: cube(x))", "there is no built-in 'most'"),
    ("floor(count(Object) / 2)", "'floor' is applied to a number"),
    ("exists(Object, lambda x: near(x, between(iota(Object, lambda y: red(y)), iota(Object, lambda y: blue(y)))))",
     "'near' is applied to a formula"),
    ("mode(Color)", "'mode' needs a sort and a lambda (line 1, column 1); expected mode(Color, lambda c: count(…))"),
    ("count(DifferentColors, lambda x: sphere(x))", "the values of DifferentColors are not known"),
    ("exists(Object, lambda x: x == leftmost())", "'leftmost' is applied to nothing"),
    ("exists(Object, lambda x: x == largest(lambda y: cube(y)))", "there is no built-in 'largest'"),
    ("all(Object, iota(Object, lambda x: red(x)))", "A quantifier got a sort, a described object"),
    ("describe(Color, lambda k: iota(Object, lambda x: red(x)))", "The condition is the same for every value"),
]  # fmt: skip

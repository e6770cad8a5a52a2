"""Programs over regions: which they are, their normal form, and what the checks say of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dsl
from dsl.patches import declared
from dsl.patches.declared import FUNCTIONS, METHODS, REQUIRED
from dsl.patches.formats import Field, pieces
from dsl.patches.sorts import Sorts


def checked(text: str, **options: str) -> dsl.Checked:
    return dsl.check(text, **options)


def normal(text: str, **options: str) -> str:
    return dsl.print_program(checked(text, **options).program)


def fault(text: str, dialect: str | None = "patches") -> dsl.ProgramError:
    with pytest.raises(dsl.ProgramError) as caught:
        dsl.check(text, dialect=dialect)
    return caught.value


# --- which programs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ('return ImagePatch(image).find("cat")[0]', "patches"),
        ("def execute_command(image):\n    return 1", "patches"),
        ("def execute_command_12(image) -> str:\n    return 1", "patches"),
        ("count(Object, lambda x: red(x))", "formulas"),
        ("def answer(x):\n    return x\nanswer(1)", "formulas"),
        ('score("is there a cat?", 0)', "formulas"),
    ],
)
def test_a_program_tells_of_which_dialect_it_is(text: str, dialect: str) -> None:
    assert checked(text).dialect == dialect
    assert checked(text, dialect="auto").dialect == dialect


def test_the_dialect_can_be_said() -> None:
    text = 'patches = image_patch.find("cat")\nreturn len(patches)'
    assert checked(text, dialect="patches").dialect == "patches"
    assert "image_patch" in fault(text, None).one_line()
    with pytest.raises(ValueError, match="dialect is"):
        dsl.check("1", dialect="vipers")


def test_normal_form_stays_as_it_is() -> None:
    text = 'import math\ndef execute_command(image, other):\n    return find("cat")[0]'
    once = checked(text)
    again = dsl.check(once.program)
    assert again.program == once.program
    assert again.dialect == "patches"
    assert not again.notes


# --- normal form and slips -------------------------------------------------------------------------

WHOLE = "ImagePatch(image)"


@pytest.mark.parametrize(
    ("written", "meant", "note"),
    [
        # a function of the task's signature is called with the task's inputs
        ("def execute_command(image):\n    return 1", "return 1\n", "called with the task's inputs"),
        (
            "def execute_command_7(image: Picture, possible_answers, query, ImagePatch, llm_query) -> str:\n"
            "    return query",
            "return query\n",
            "called with the task's inputs",
        ),
        (
            "def answer(img, options, q, tries=2):\n    return tries",
            f"img = {WHOLE}\noptions = possible_answers\nq = query\ntries = 2\nreturn tries\n",
            "called with the task's inputs",
        ),
        (
            'def near(a, b):\n    return distance(a, b) < 9\ndef execute_command(image):\n    "Why."\n    return 1',
            'def near(a, b):\n    return distance(a, b) < 9\n"Why."\nreturn 1\n',
            "called with the task's inputs",
        ),
        # the whole picture
        ('return image_patch.find("a")[0]', f'image_patch = {WHOLE}\nreturn image_patch.find("a")[0]\n', "no value"),
        ('return imagePatch.exists("a")', f'image_patch = {WHOLE}\nreturn image_patch.exists("a")\n', "was read as"),
        ("return Image_Patch(image)", f"return {WHOLE}\n", "'Image_Patch' was read as 'ImagePatch'"),
        ('return image.exists("cat")', f'return {WHOLE}.exists("cat")\n', "of a picture"),
        ("return image.width", "return image.width\n", ""),
        # bare methods
        ('return simple_query("who?")', f'return {WHOLE}.simple_query("who?")\n', "of the whole picture"),
        ('return find_in_image("cat")[0]', f'return {WHOLE}.find("cat")[0]\n', "of the whole picture"),
        ('return find_in_image(image, "cat")[0]', f'return {WHOLE}.find("cat")[0]\n', "'find_in_image(region, …)'"),
        ('return best_text_match(["a", "b"], "is")', f'return {WHOLE}.best_text_match(["a", "b"], "is")\n', "whole"),
        (
            'cat = ImagePatch(image).find("cat")[0]\nreturn best_text_match(cat, ["a", "b"])',
            f'cat = {WHOLE}.find("cat")[0]\nreturn cat.best_text_match(["a", "b"])\n',
            "the region's .best_text_match",
        ),
        (
            'def f(p):\n    return simple_query(p, "who?")\nreturn f(ImagePatch(image))',
            f'def f(p):\n    return ImagePatch(p).simple_query("who?")\nreturn f({WHOLE})\n',
            "the region's .simple_query",
        ),
        ('return exists("cat")', f'return {WHOLE}.exists("cat")\n', "of the whole picture"),
        # one region of a list
        ('return find("a").left', f'return {WHOLE}.find("a")[0].left\n', "of the first"),
        ('c = find("cat")\nreturn c.exists()', f'c = {WHOLE}.find("cat")\nreturn len(c) > 0\n', "len(…) > 0"),
        # lines that do nothing
        ("import math\nimport numpy as np\nreturn math.sqrt(2)", "return math.sqrt(2)\n", "left out 'import math'"),
        ("if 1 > 0:\n    import math\nreturn 1", "if 1 > 0:\n    pass\nreturn 1\n", "left out 'import math'"),
        # a lost first indentation
        ("x = 1\n    if x:\n        return 2\n    return x", "x = 1\nif x:\n    return 2\nreturn x\n", "first line"),
        ("for p in [1]:\n        return 2\n    return 3", "for p in [1]:\n    return 2\nreturn 3\n", "first line"),
        ("# said\nx = 1\n\n    return x", "x = 1\nreturn x\n", "first line"),
        ("x = 1\n\treturn x", "x = 1\nreturn x\n", "first line"),
    ],
)  # fmt: skip
def test_slips_are_put_right_and_reported(written: str, meant: str, note: str) -> None:
    found = checked(written, dialect="patches")
    assert dsl.print_program(found.program) == meant
    assert any(note in n for n in found.notes) if note else not found.notes


@pytest.mark.parametrize(
    "text",
    [
        "simple_query = 1\nreturn simple_query",
        'def find(x):\n    return [x]\nreturn find("cat")',
        "image_patch = ImagePatch(image)\nreturn image_patch",
        "def f(image_patch):\n    return image_patch\nreturn f(1)",
    ],
)
def test_what_a_program_binds_is_left_alone(text: str) -> None:
    assert not checked(text, dialect="patches").notes


def test_lost_indentation_is_of_this_dialect_and_of_one_line_alone() -> None:
    assert "no block is open" in fault("x = 1\n    return x", None).what
    assert "no block is open" in fault("x = 1\n    y = 2\nreturn x").what
    assert "fits no earlier line" in fault("if 1:\n        return 2\n    x = 1\n  return 3").what


def test_a_function_that_needs_more_than_the_task_gives() -> None:
    error = fault("def execute_command(image, a, b, c):\n    return 1")
    assert (error.what, error.line, error.column) == ("the task gives 'execute_command' no 'c'", 1, 34)


# --- the syntax that came with it ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("def f(a: int, b: List[ImagePatch] = None, *,) -> Dict[str, int]:\n    return a\nf(1)", None),
        (
            "def f(a: int, b: List[ImagePatch] = [1]) -> Dict[str, int]:\n    return a\nf(1)",
            "def f(a, b=[1]):\n    return a\nf(1)\n",
        ),
        ("x: float = 2\nx", "x = 2\nx\n"),
        ("for x in [1]:\n    pass\nelse:\n    y = 2\ny", "for x in [1]:\n    pass\nelse:\n    y = 2\ny\n"),
    ],
)
def test_types_are_left_out_and_loops_have_else(written: str, printed: str | None) -> None:
    if printed is None:
        with pytest.raises(dsl.ProgramError):
            dsl.parse(written)
        return
    assert dsl.print_program(dsl.parse(written)) == printed
    assert not dsl.check(written).notes
    assert dsl.parse(printed) == dsl.parse(written)


@pytest.mark.parametrize(
    "line",
    ["import os", "import numpy", "import math as m", "import math, os", "from math import sqrt", "import numpy as os",
     "x = import math", "import math.sqrt", "__import__('math')"],
)  # fmt: skip
def test_two_imports_are_read_and_no_other(line: str) -> None:
    assert fault(f"{line}\nreturn ImagePatch(image)").errors
    assert fault(line, None).errors


def test_imports_are_of_this_dialect() -> None:
    assert fault("import math\nreturn count(Object)", None).what == "the language has no 'import'"


# --- what the checks say ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("return count(Object, lambda x: red(x))", "'count' of the quantifiers with lambdas does not mix", "len("),
        ("return exists(Object, lambda x: red(x))", "'exists' of the quantifiers", "image_patch.exists"),
        ("return any(Object, lambda x: red(x))", "'any' of the quantifiers", "any("),
        ("return Object", "'Object' of the quantifiers", "loop"),
        ('return score("is it red?")', "'score' is not in the dialect of regions", "verify_property"),
        ("return image_patch.find", "'.find' is a method", "()"),
        ("return image_patch.left()", "'.left' is an attribute", "leave the ()"),
        ("return image_patch.__class__", "'.__class__' is not in the language", "Python's objects"),
        ("return image_patch.find('a')[0].__dict__.keys()", "'.__dict__' is not in the language", "Python's"),
        ("return image_patch.colour", "a region has no '.colour'", "simple_query"),
        ("return image_patch.horizontal_centre", "a region has no '.horizontal_centre'", "horizontal_center"),
        ("p = ImagePatch(image)\nreturn p.is_left_of(p)", "a region has no '.is_left_of'", "horizontal_center"),
        ("p = ImagePatch(image)\nreturn p.intersects(p)", "a region has no '.intersects'", "overlaps_with"),
        ("p = ImagePatch(image)\nreturn distance(p)", "'distance' needs its argument 'patch_b'", "two regions"),
        ('return ImagePatch(image).find("a", "b")', "'find' takes 1 argument, not 2", "find(object_name)"),
        ('return ImagePatch(image).find(noun="a")', "'find' has no argument 'noun'", "find(object_name)"),
        ('return ImagePatch(image).find("a", object_name="b")', "'find' gets its argument 'object_name' tw", "write"),
        ("return shiny(image_patch)", "there is no function 'shiny'", "simple_query"),
        ("return ImagPatch(image)", "there is no function 'ImagPatch'", "ImagePatch"),
        ("return cat", "unknown name 'cat'", '"cat"'),
        ('return ImagePatch("/etc/passwd")', "'ImagePatch' takes a picture or a region as 'image'", "no picture"),
        ('return "cat".horizontal_center', "a text has no '.horizontal_center'", "a region"),
        ('c = "cat"\nreturn c.simple_query("who?")', "a text has no '.simple_query'", "a region"),
        ('p = ImagePatch(image)\nreturn p.find(p)', "'find' takes a text as 'object_name', not a region", "as a text"),
        ('return distance("a", "b")', "'distance' takes a region or a number as 'patch_a', not a text", "find"),
        ('p = ImagePatch(image)\nreturn best_image_match(p, ["a"])', "'best_image_match' takes a list", "[patch]"),
        ("return ImagePatch(image).crop(1, 2, 3)", "'crop' needs its argument 'upper'", "crop("),
        ("return np.load('x')", "there is no 'np.load'", "percentile"),
        ("return math", "'math' alone is no value", "name the function"),
        ("return math.sqrt", "'math.sqrt' is a function", "call it"),
        ("return math.pi()", "'math.pi' is a number", "leave the ()"),
        ("return math.__doc__", "there is no 'math.__doc__'", "compute"),
        ("x = np\nreturn x.mean([1])", "'np' alone is no value", "name the function"),
        ("return print(1)", "'print' is not in the language", "return"),
        ("open = 1\nreturn open", "'open' can not be given another meaning", "open_found"),
        ('return "{0.__class__}".format(image_patch)', "the place '{0.__class__}'", "{}"),
        ('return "{x[a]}".format(x=1)', "the place '{x[a]}'", "{}"),
        ('return "{:{}}".format(1, 2)', "in a text for .format", ""),
        ('return "{} {}".format(1)', "has a place '1' without a value", "one value"),
        ("def f(x):\n    return f(x)\nreturn f(ImagePatch(image))", "calls itself", "for"),
        ("for p in image_patch.find('a'):\n    pass", "the program gives no result", "return"),
    ],
)  # fmt: skip
def test_faults_say_what_and_how_to_mend_it(text: str, what: str, hint: str) -> None:
    error = fault(text)
    found = [e for e in error.errors if what in e.what]
    assert found, error
    assert found[0].line is not None
    assert hint in found[0].hint + found[0].expected


@pytest.mark.parametrize(
    "text",
    [
        "patches = ImagePatch(image).find('cat')\npatches.sort(key=lambda p: p.left, reverse=True)\nreturn patches[0]",
        "return sorted(ImagePatch(image).find('cat'), key=lambda p: p.compute_depth())[-1]",
        "return max(ImagePatch(image).find('cat'), key=lambda p: p.width * p.height)",
        "return 'yes' if ImagePatch(image).simple_query('who?').lower() == 'a man' else 'no'",
        "p = ImagePatch(image)\nreturn p.crop(p.left, p.lower, p.right, p.upper)",
        "p = ImagePatch(image)\nreturn p.crop(left=0, lower=0, right=9, upper=9).simple_query()",
        "return '{} and {:.1f}'.format(1, 2)",
        "a, b = {1, 2}, {2}\nreturn len(a - b) + len(a.difference(b))",
        "xs = [1, 2]\nxs.remove(1)\nxs.append(3)\nreturn xs[:1]",
        "return [i for i, p in enumerate(ImagePatch(image).find('cat')) if p.exists('hat')]",
        "return any(p.verify_property('cat', 'black') for p in ImagePatch(image).find('cat'))",
        "return np.percentile([p.left for p in ImagePatch(image).find('cat')], 50)",
        "type = ImagePatch(image).simple_query('which type?')\nreturn type",
        "count = 0\nfor p in ImagePatch(image).find('cat'):\n    count += 1\nreturn count",
        "query = 'who?'\nreturn ImagePatch(image).simple_query(query)",
        "return llm_query('who painted it?', long_answer=False)",
        "return ImagePatch(image).best_text_match(possible_answers)",
        "x = None\nfor p in ImagePatch(image).find('cat'):\n    x = p\nreturn x.left",
        "d = {'a': 1}\nd.update({'b': 2})\nreturn d['b']",
    ],
)
def test_these_pass(text: str) -> None:
    assert checked(text, dialect="patches").dialect == "patches"


# --- what is declared ------------------------------------------------------------------------------

ALL = [*FUNCTIONS.values(), *(m for methods in METHODS.values() for m in methods.values())]


@pytest.mark.parametrize("function", ALL, ids=lambda f: f.name)
def test_arguments_are_arranged_as_python_does(function: declared.Function) -> None:
    required = [p.name for p in function.parameters if p.default is REQUIRED]
    names = [p.name for p in function.parameters]
    assert function.arrange(required, {})[: len(required)] == required
    if function.many:
        return
    assert function.arrange([], {n: n for n in required}) == function.arrange(required, {})
    assert function.arrange(names, {}) == names
    assert function.arrange([], {n: n for n in names}) == names
    with pytest.raises(ValueError, match="takes"):
        function.arrange([*names, 1], {})
    with pytest.raises(ValueError, match="no argument 'zzz'"):
        function.arrange(names, {"zzz": 1})
    if names:
        with pytest.raises(ValueError, match="twice"):
            function.arrange(names, {names[0]: 1})
    if required:
        with pytest.raises(ValueError, match="needs its argument"):
            function.arrange(required[:-1], {})


@pytest.mark.parametrize("function", ALL, ids=lambda f: f.name)
def test_sorts_in_the_table_are_known(function: declared.Function) -> None:
    from dsl.patches.words import A_SORT

    assert declared.base(function.gives) in A_SORT
    assert all(sort in A_SORT for p in function.parameters for sort in p.sorts)


def test_sorts_are_told_where_they_are_the_same_everywhere() -> None:
    text = (
        "cats = ImagePatch(image).find('cat')\nfirst = cats[0]\nlast = cats[1:][-1]\nword = first.simple_query()\n"
        "word = word.lower()\nx = first\nx = 'cat'\nfor i, c in enumerate(cats):\n    near = c\n"
        "wide = [c.width for c in cats]\nreturn 1"
    )
    tree = dsl.check(text).program
    sorts = Sorts(tree)
    of = {
        name: sorts.of(dsl.syntax.ast.Name(name))
        for name in ("cats", "first", "last", "word", "x", "i", "near", "wide")
    }
    assert of == {
        "cats": "List[Region]", "first": "Region", "last": "Region", "word": "Text", "x": "Any", "i": "Number",
        "near": "Region", "wide": "List[Number]",
    }  # fmt: skip


def test_templates_are_read_by_a_grammar_of_their_own() -> None:
    assert pieces("a {} {{b}} {:.2f}") == ("a ", Field(0), " ", "{", "b", "}", " ", Field(1, ".2f"))
    assert pieces("{1}{x}{0:>5}") == (Field(1), Field("x"), Field(0, ">5"))
    for bad in ("{", "}", "{0.a}", "{a[0]}", "{!r}", "{0!r}", "{:{}}", "{a-b}", "{} {1}", "{__class__}", "{:%Y-%m}"):
        with pytest.raises(dsl.ProgramError):
            pieces(bad)


# --- the page ----------------------------------------------------------------------------------------

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "language-regions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", re.findall(r"^```patches\n(.*?)^```", PAGE, re.M | re.S))
def test_examples_of_the_page_pass(text: str) -> None:
    assert checked(text).dialect == "patches"


@pytest.mark.parametrize(
    "row", re.findall(r"^\| `(.*)` \| ('.*) \|$|^\| `(.*format.*)` \| (the place .*) \|$", PAGE, re.M)
)
def test_errors_of_the_page_are_what_is_said(row: tuple[str, ...]) -> None:
    written, error = row[0] or row[2], row[1] or row[3]
    first = "patch = ImagePatch(image)\nother = ImagePatch(image)\nx = "
    assert error in str(fault(first + written.partition("`")[0].replace("…", "red(x)")))

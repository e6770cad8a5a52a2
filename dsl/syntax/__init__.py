"""Text to tree and back: the lexer, the parser, the syntax tree, errors of syntax in words, and the printer."""

"""From a question to a program: providers of programs, and the cache of those already written."""

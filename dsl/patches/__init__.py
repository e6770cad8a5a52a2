"""The dialect of regions, `patches`: what is declared of it, how its programs are known, and their normal form."""

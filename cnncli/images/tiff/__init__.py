"""TIFF: a page's tags alone decide how its samples are decoded and what colours they stand for.

`directories` finds the pages, `page` reads their tags, `codecs` decompresses segments (strips and tiles) with
whatever library can, `samples` makes numbers of their bytes, and `colours` makes a picture of the numbers.
"""

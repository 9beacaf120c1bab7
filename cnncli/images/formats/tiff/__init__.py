"""TIFF: a page's tags alone decide how its samples are decoded and what colours they stand for.

`directories` finds the pages, `page` reads their tags, `codecs` chooses what decompresses segments (strips and tiles):
the standard library, `libtiff` or imagecodecs. `samples` makes numbers of their bytes, `colours` a picture of these.
"""

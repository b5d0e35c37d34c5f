#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes Sources/CTokenization/unicode_tables.h: the classes L, N and White_Space of every code point.

    pip install unicodedata2==16.0.0
    python3 scripts/unicode_tables.py > Sources/CTokenization/unicode_tables.h

The Unicode version must be the one of the regular expressions that tiktoken and Hugging Face `tokenizers` use (16.0,
found by asking both about every code point): a letter that is newer to one side than to the other is split differently.
"""
import sys

VERSION = "16.0.0"
try:
    import unicodedata2 as unicodedata
except ImportError:
    import unicodedata

# White_Space from PropList.txt; unchanged since Unicode 6.3, and not in `unicodedata`.
WHITE_SPACE = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
OTHER, LETTER, NUMBER, SPACE = range(4)
BLOCK = 128  # code points a block, two bits each


def class_of(code_point):
    if code_point in WHITE_SPACE:
        return SPACE
    return {"L": LETTER, "N": NUMBER}.get(unicodedata.category(chr(code_point))[0], OTHER)


def rows(name, element, values):
    lines = [f"static const {element} {name}[{len(values)}] = {{"]
    for at in range(0, len(values), 24):
        lines.append("    " + ", ".join(str(v) for v in values[at : at + 24]) + ",")
    return "\n".join(lines + ["};"])


def main():
    if unicodedata.unidata_version != VERSION:
        sys.exit(f"need Unicode {VERSION}, this Python has {unicodedata.unidata_version}: pip install unicodedata2=={VERSION}")
    blocks, first_stage = [], []
    for start in range(0, 0x110000, BLOCK):
        packed = []
        for at in range(start, start + BLOCK, 4):
            packed.append(sum(class_of(at + i) << (2 * i) for i in range(4)))
        if packed not in blocks:
            blocks.append(packed)
        first_stage.append(blocks.index(packed))
    assert len(blocks) <= 256, "the first stage holds one byte a block"
    print(f"""// SPDX-License-Identifier: MIT
// Written by scripts/unicode_tables.py from Unicode {VERSION}; do not edit.
#ifndef APUS_UNICODE_TABLES_H
#define APUS_UNICODE_TABLES_H

#include <stdint.h>

// Block of each {BLOCK} code points.
{rows("apus_unicode_block", "uint8_t", first_stage)}

// Classes of a block's code points, four a byte, lowest bits first: 0 other, 1 letter, 2 number, 3 white space.
{rows("apus_unicode_classes", "uint8_t", [v for block in blocks for v in block])}

#endif""")


if __name__ == "__main__":
    main()

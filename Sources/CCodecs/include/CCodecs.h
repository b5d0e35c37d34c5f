// SPDX-License-Identifier: MIT
// Decompression for the Parquet and Corpus modules: gzip and zstd through the system's zlib and libzstd,
// snappy and LZ4 blocks by small decoders of our own. Nothing here trusts its input.
#ifndef APUS_CCODECS_H
#define APUS_CCODECS_H

#include <stddef.h>
#include <stdint.h>

// What every function that can fail returns.
enum {
    APUS_CODEC_MORE = 0,     // go on: more input or more room for output is wanted
    APUS_CODEC_END = 1,      // a gzip member, a zstd frame or a whole block is complete
    APUS_CODEC_BAD = -1,     // the input is not what the format allows; see apus_codec_message
    APUS_CODEC_MEMORY = -2,  // the system gave no memory
    APUS_CODEC_WINDOW = -3,  // a zstd frame wants a larger window than allowed
};

enum {
    APUS_CODEC_GZIP = 1,          // RFC 1952
    APUS_CODEC_ZSTD = 2,          // RFC 8878
    APUS_CODEC_GZIP_OR_ZLIB = 3,  // RFC 1952 or RFC 1950, told apart by the header
};

// One decompression context, reusable for many streams; used by one thread at a time.
typedef struct apus_codec apus_codec_t;

// Opens a context. maximum_window_log (10...31) bounds the memory of zstd streams to about 2^log bytes; gzip ignores it.
// NULL when the system gave no memory or the kind is unknown.
apus_codec_t *apus_codec_open(int kind, int maximum_window_log);

void apus_codec_close(apus_codec_t *codec);

// Takes some input, gives some output; *consumed and *produced say how much. After APUS_CODEC_END the next call begins
// the next member or frame. Without progress (*consumed and *produced both 0) it wants more input or more room.
int apus_codec_feed(apus_codec_t *codec, const void *input, size_t input_count, size_t *consumed,
                    void *output, size_t output_count, size_t *produced);

// Decompresses a whole stream (all its members or frames) whose uncompressed size is known:
// APUS_CODEC_END when input_count bytes gave exactly output_count bytes, an error otherwise.
int apus_codec_whole(apus_codec_t *codec, const void *input, size_t input_count, void *output, size_t output_count);

// A short English reason for the last error of this context; never NULL.
const char *apus_codec_message(const apus_codec_t *codec);

// Decodes one snappy block (raw format: preamble and elements, no framing) into exactly output_count bytes.
// Source: https://github.com/google/snappy/blob/main/format_description.txt
int apus_snappy_decode(const void *input, size_t input_count, void *output, size_t output_count);

// Decodes one LZ4 block (no frame) into exactly output_count bytes.
// Source: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
int apus_lz4_decode(const void *input, size_t input_count, void *output, size_t output_count);

// CRC-32 (the one of gzip and of Parquet pages), continued from `crc`; start with 0.
uint32_t apus_crc32(uint32_t crc, const void *bytes, size_t count);

// Largest size that apus_gzip_compress or apus_zstd_compress can need for count bytes.
size_t apus_compress_bound(size_t count);

// Compress a block as one gzip member or one zstd frame; give the size, or 0 when the room does not do.
size_t apus_gzip_compress(const void *input, size_t input_count, void *output, size_t output_count, int level);
size_t apus_zstd_compress(const void *input, size_t input_count, void *output, size_t output_count, int level);

#endif

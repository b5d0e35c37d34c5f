// SPDX-License-Identifier: MIT
// gzip (zlib) and zstd (libzstd) behind one small interface.
#include "CCodecs.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

struct apus_codec {
    int kind;
    int ended;  // the last member or frame is complete: the next input begins another one
    const char *message;
    z_stream inflater;
    ZSTD_DCtx *zstd;
};

// zlib counts in 32 bits.
static uInt clamp(size_t count) { return count > (1u << 30) ? (1u << 30) : (uInt)count; }

apus_codec_t *apus_codec_open(int kind, int maximum_window_log) {
    apus_codec_t *codec = calloc(1, sizeof *codec);
    if (!codec) return NULL;
    codec->kind = kind;
    codec->message = "no error";
    int opened = 0;
    if (kind == APUS_CODEC_ZSTD) {
        codec->zstd = ZSTD_createDCtx();
        opened = codec->zstd != NULL
            && !ZSTD_isError(ZSTD_DCtx_setParameter(codec->zstd, ZSTD_d_windowLogMax, maximum_window_log));
    } else if (kind == APUS_CODEC_GZIP || kind == APUS_CODEC_GZIP_OR_ZLIB) {
        // 15 = the largest window; + 16 = gzip header only, + 32 = gzip or zlib header.
        opened = inflateInit2(&codec->inflater, 15 + (kind == APUS_CODEC_GZIP ? 16 : 32)) == Z_OK;
    }
    if (opened) return codec;
    ZSTD_freeDCtx(codec->zstd);
    free(codec);
    return NULL;
}

void apus_codec_close(apus_codec_t *codec) {
    if (!codec) return;
    if (codec->kind == APUS_CODEC_ZSTD) ZSTD_freeDCtx(codec->zstd);
    else inflateEnd(&codec->inflater);
    free(codec);
}

const char *apus_codec_message(const apus_codec_t *codec) { return codec->message; }

// Notes why a call failed; every error goes through here.
static int fail(apus_codec_t *codec, int status, const char *message) {
    codec->message = message ? message : "invalid data";
    return status;
}

// Tells memory and window limits, which a user can do something about, from damage.
static int zstd_failure(apus_codec_t *codec, size_t result) {
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation: return fail(codec, APUS_CODEC_MEMORY, "out of memory");
    case ZSTD_error_frameParameter_windowTooLarge: return fail(codec, APUS_CODEC_WINDOW, "the window is too large");
    default: return fail(codec, APUS_CODEC_BAD, ZSTD_getErrorName(result));
    }
}

// libzstd begins the next frame by itself and passes over skippable frames.
static int feed_zstd(apus_codec_t *codec, ZSTD_inBuffer *in, ZSTD_outBuffer *out) {
    size_t result = ZSTD_decompressStream(codec->zstd, out, in);
    if (ZSTD_isError(result)) return zstd_failure(codec, result);
    codec->ended = result == 0;
    return result == 0 ? APUS_CODEC_END : APUS_CODEC_MORE;
}

// zlib stops at the end of a member; the next one begins at the next call, when there is input for it.
static int feed_gzip(apus_codec_t *codec, ZSTD_inBuffer *in, ZSTD_outBuffer *out) {
    z_stream *stream = &codec->inflater;
    if (codec->ended && inflateReset(stream) != Z_OK) return fail(codec, APUS_CODEC_BAD, "cannot begin a member");
    codec->ended = 0;
    stream->next_in = (Bytef *)in->src + in->pos;
    stream->avail_in = clamp(in->size - in->pos);
    stream->next_out = (Bytef *)out->dst + out->pos;
    stream->avail_out = clamp(out->size - out->pos);
    const uInt input = stream->avail_in, room = stream->avail_out;
    int result = inflate(stream, Z_NO_FLUSH);
    in->pos += input - stream->avail_in;
    out->pos += room - stream->avail_out;
    switch (result) {
    case Z_STREAM_END: codec->ended = 1; return APUS_CODEC_END;
    case Z_OK:
    case Z_BUF_ERROR: return APUS_CODEC_MORE;  // no progress was possible; the caller sees it
    case Z_MEM_ERROR: return fail(codec, APUS_CODEC_MEMORY, "out of memory");
    case Z_NEED_DICT: return fail(codec, APUS_CODEC_BAD, "it needs a preset dictionary");
    default: return fail(codec, APUS_CODEC_BAD, stream->msg);
    }
}

int apus_codec_feed(apus_codec_t *codec, const void *input, size_t input_count, size_t *consumed,
                    void *output, size_t output_count, size_t *produced) {
    ZSTD_inBuffer in = {input, input_count, 0};
    ZSTD_outBuffer out = {output, output_count, 0};
    int status = codec->kind == APUS_CODEC_ZSTD ? feed_zstd(codec, &in, &out) : feed_gzip(codec, &in, &out);
    *consumed = in.pos;
    *produced = out.pos;
    return status;
}

int apus_codec_whole(apus_codec_t *codec, const void *input, size_t input_count, void *output, size_t output_count) {
    if (codec->kind == APUS_CODEC_ZSTD) {
        // The one-shot call writes straight into the output and needs no window of its own.
        size_t result = ZSTD_decompressDCtx(codec->zstd, output, output_count, input, input_count);
        if (ZSTD_isError(result)) return zstd_failure(codec, result);
        return result == output_count ? APUS_CODEC_END : fail(codec, APUS_CODEC_BAD, "it holds fewer bytes than it claims");
    }
    codec->ended = 1;  // whatever came before, begin anew
    uint8_t spare;     // a full output still has to accept the trailer
    ZSTD_inBuffer in = {input, input_count, 0};
    ZSTD_outBuffer out = {output_count ? output : &spare, output_count, 0};
    for (;;) {
        // Every turn reads or writes something, or is the last one.
        const size_t read = in.pos, written = out.pos;
        int status = feed_gzip(codec, &in, &out);
        if (status < 0) return status;
        if (status == APUS_CODEC_END && in.pos == in.size) break;
        if (in.pos == read && out.pos == written)
            return fail(codec, APUS_CODEC_BAD, in.pos == in.size ? "it ends too early" : "it holds more bytes than it claims");
    }
    return out.pos == output_count ? APUS_CODEC_END : fail(codec, APUS_CODEC_BAD, "it holds fewer bytes than it claims");
}

uint32_t apus_crc32(uint32_t crc, const void *bytes, size_t count) { return (uint32_t)crc32_z(crc, bytes, count); }

size_t apus_compress_bound(size_t count) {
    const size_t gzip = compressBound(count) + 32, zstd = ZSTD_compressBound(count);
    return gzip > zstd ? gzip : zstd;
}

size_t apus_gzip_compress(const void *input, size_t input_count, void *output, size_t output_count, int level) {
    // One call of deflate counts in 32 bits.
    if (input_count > (1u << 30)) return 0;
    z_stream stream = {0};
    if (deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return 0;
    stream.next_in = (Bytef *)input;
    stream.avail_in = (uInt)input_count;
    stream.next_out = output;
    stream.avail_out = clamp(output_count);
    int result = deflate(&stream, Z_FINISH);
    size_t size = stream.total_out;
    deflateEnd(&stream);
    return result == Z_STREAM_END ? size : 0;
}

size_t apus_zstd_compress(const void *input, size_t input_count, void *output, size_t output_count, int level) {
    size_t size = ZSTD_compress(output, output_count, input, input_count, level);
    return ZSTD_isError(size) ? 0 : size;
}

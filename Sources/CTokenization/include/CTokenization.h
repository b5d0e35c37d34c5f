// SPDX-License-Identifier: MIT
// Byte-level BPE: splitting text into words, merging bytes into tokens, and counting pairs to learn merges.
//
// Texts are UTF-8 bytes with a length; ids are uint32_t below 2^24. A function that returns int gives 0 when it did
// its work and -1 when memory ran out. A vocabulary is immutable once built and is read by any number of threads;
// encoders, counters and splitters belong to one thread at a time.
#ifndef APUS_CTOKENIZATION_H
#define APUS_CTOKENIZATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define APUS_NO_TOKEN UINT32_MAX
#define APUS_MAX_TOKENS (1u << 24)

// ---- Characters -----------------------------------------------------------------------------------------------------

/// 0 other, 1 letter (\p{L}), 2 number (\p{N}), 3 white space (\s); Unicode 16.
int apus_unicode_class(uint32_t code_point);

/// Length of the longest prefix that is well-formed UTF-8; `length` when all of it is.
size_t apus_utf8_valid_prefix(const uint8_t *text, size_t length);

/// Copies a text with every maximal ill-formed subsequence replaced by U+FFFD (Unicode 16, table 3-11).
/// `out` has room for 3 * length bytes. Returns the number of bytes written.
size_t apus_utf8_repair(const uint8_t *text, size_t length, uint8_t *out);

/// Bytes of well-formed text that are no text: control characters other than tab and line ends, and U+FFFD.
size_t apus_non_text_bytes(const uint8_t *text, size_t length);

/// Whether a text is well-formed UTF-8 and, when it is, its bytes that are no text: both in one pass.
bool apus_scan_text(const uint8_t *text, size_t length, size_t *non_text);

/// Bytes at the start that stand for themselves inside a JSON string: none is '"', '\\' or below 0x20.
size_t apus_json_plain(const uint8_t *text, size_t length);

// ---- Ids ------------------------------------------------------------------------------------------------------------

/// Counts how often each id comes; for one thread.
typedef struct apus_id_counter apus_id_counter;

/// Counts ids below `size`; others are left out. NULL when memory ran out.
apus_id_counter *apus_id_counter_create(size_t size);
void apus_id_counter_destroy(apus_id_counter *c);
void apus_id_counter_add(apus_id_counter *c, const uint32_t *ids, size_t n);
void apus_id_counter_add16(apus_id_counter *c, const uint16_t *ids, size_t n);
/// totals[id] += the count of each of the `size` ids, which begin again at 0.
void apus_id_counter_take(apus_id_counter *c, uint64_t *totals);

/// The low 16 bits of each id.
void apus_narrow_ids(const uint32_t *ids, size_t count, uint16_t *out);

// ---- Splitting ------------------------------------------------------------------------------------------------------

/// How a text is cut into the words ("pretokens") inside which merges happen.
typedef enum {
    APUS_SPLIT_GPT2 = 0,       ///< GPT-2, r50k, p50k
    APUS_SPLIT_CL100K = 1,     ///< GPT-4 as Hugging Face writes it, and Llama-3
    APUS_SPLIT_CL100K_END = 2, ///< GPT-4 as tiktoken writes it: white space at the end of the text is one word
    APUS_SPLIT_QWEN2 = 3,      ///< like CL100K with every digit a word
    APUS_SPLIT_NONE = 4,       ///< the whole text is one word
} apus_split;

/// The instructions that GPT-2's words are found with. Starting takes the best; tests lower it.
typedef enum {
    APUS_SPLIT_PORTABLE = 0,  ///< what every CPU has
    APUS_SPLIT_AVX2 = 1,
    APUS_SPLIT_AVX512 = 2,  ///< BW and VBMI2
} apus_split_code;

/// Position in a text that is being split; the text must be well-formed UTF-8 and outlive it.
typedef struct {
    const uint8_t *text;
    size_t length, at;
    apus_split split;
    bool done;
    apus_split_code most_code;  ///< no better than these, and what the CPU has
    // What the GPT-2 splitter carries from one block of 64 bytes to the next; see split_gpt2.c.
    uint64_t last_class[4], tail_class[4], tail_continuation, pending_set, pending_clear, last_blank;
} apus_splitter;

void apus_splitter_start(apus_splitter *s, apus_split split, const uint8_t *text, size_t length);

/// Writes the starts of the next words, ascending, and at the end of the text its length as a last entry.
/// `capacity` is at least 128. Returns how many were written; 0 when the end was written before.
size_t apus_splitter_next(apus_splitter *s, size_t *starts, size_t capacity);

// ---- Vocabulary -----------------------------------------------------------------------------------------------------

typedef struct apus_bpe apus_bpe;

/// Makes a vocabulary of `count` ids; id i has the bytes [offsets[i], offsets[i + 1]) of `bytes`. An id that encoding
/// never makes (a gap, a special token) has none.
/// `whole_words`: a word that is itself a token becomes that token whatever the merges say (`ignore_merges`).
/// NULL when memory ran out or a count is too large.
apus_bpe *apus_bpe_create(const uint8_t *bytes, const uint32_t *offsets, uint32_t count, apus_split split, bool whole_words,
                          uint32_t merge_capacity);
void apus_bpe_destroy(apus_bpe *b);

/// Lets two neighbouring tokens become `result`; of several possible merges that of the lowest rank comes first, and
/// of equal ranks the leftmost. A pair given twice has its later rank. False when more than `merge_capacity` came.
bool apus_bpe_add_merge(apus_bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t result);

/// The id of these bytes, or APUS_NO_TOKEN.
uint32_t apus_bpe_find(const apus_bpe *b, const uint8_t *bytes, size_t length);

/// The bytes of an id; NULL and length 0 outside the vocabulary.
const uint8_t *apus_bpe_bytes(const apus_bpe *b, uint32_t id, size_t *length);

// ---- Encoding -------------------------------------------------------------------------------------------------------

typedef struct apus_encoder apus_encoder;

/// Ids that `apus_encoder_next` must have room for.
#define APUS_ENCODE_CAPACITY (1u << 15)

/// `cache_bytes` bounds the cache of words; `window` (0: 4096) the bytes of a long word merged at once.
apus_encoder *apus_encoder_create(const apus_bpe *b, size_t cache_bytes, size_t window);
void apus_encoder_destroy(apus_encoder *e);

/// Begins a text, which must stay where it is until the last call of `apus_encoder_next`.
int apus_encoder_start(apus_encoder *e, const uint8_t *text, size_t length);

/// The same for a text that is known to be well-formed UTF-8 (`apus_scan_text`), which is then not looked at again.
void apus_encoder_start_well_formed(apus_encoder *e, const uint8_t *text, size_t length);

/// Writes the next ids. Returns their number, 0 at the end of the text, -1 when memory ran out.
ptrdiff_t apus_encoder_next(apus_encoder *e, uint32_t *ids, size_t capacity);

/// The same with the low 16 bits of each id; for a vocabulary of at most 65536. One text may be taken by both in turn.
ptrdiff_t apus_encoder_next16(apus_encoder *e, uint16_t *ids, size_t capacity);

/// Bytes that the cache holds now.
size_t apus_encoder_cache_bytes(const apus_encoder *e);

/// Merges the bytes of one word with neither cache nor window: what the tests compare with.
/// `ids` has room for `length`. Returns their number or -1.
ptrdiff_t apus_bpe_merge_word(const apus_bpe *b, const uint8_t *word, size_t length, uint32_t *ids);

// ---- Training -------------------------------------------------------------------------------------------------------

/// Longest word that training counts; longer ones are cut at a character.
#define APUS_LONGEST_TRAINING_WORD 1024

typedef struct apus_counter apus_counter;

/// Counts words; at most `limit` different ones.
apus_counter *apus_counter_create(apus_split split, size_t limit);
void apus_counter_destroy(apus_counter *c);
/// 0, -1 when memory ran out, -2 when there are more different words than the limit.
int apus_counter_add_text(apus_counter *c, const uint8_t *text, size_t length);
/// Adds the counts of another counter; the same results as above.
int apus_counter_add_counter(apus_counter *c, const apus_counter *other);
size_t apus_counter_words(const apus_counter *c);
/// The i-th different word and how often it came.
const uint8_t *apus_counter_word(const apus_counter *c, size_t i, size_t *length, uint64_t *count);

/// Learns merges from counted words: again and again the most frequent pair, of equally frequent ones the lowest
/// (left id, then right id), becomes a new id, 256 upwards. `byte_ids` gives the ids 0..255 of the bytes.
/// Stops at `merges` merges or when no pair comes `minimum` times. `pairs` has room for 2 * merges ids.
/// `progress`, when not NULL, is called after each merge and stops the training by returning false.
/// Returns the number of merges learned, -1 when memory ran out.
ptrdiff_t apus_bpe_train(const apus_counter *c, const uint32_t byte_ids[256], size_t merges, uint64_t minimum, uint32_t *pairs,
                         bool (*progress)(void *context, size_t merges_done), void *context);

#endif

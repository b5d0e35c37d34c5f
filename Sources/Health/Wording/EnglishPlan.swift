// SPDX-License-Identifier: MIT

extension Catalogue {
    /// What `apus plan` says.
    static let englishPlan: [String: String] = [
        "plan.parameters": "{count} parameters", "plan.tokens": "{count} tokens",
        "plan.fits": "FITS", "plan.too-large": "TOO LARGE", "plan.loss": "loss", "plan.model": "model", "plan.memory": "memory",
        "plan.batch": "batch", "plan.speed": "speed", "plan.usual": "usual", "plan.warnings": "To look at",
        "plan.notes": "Assumed",
        "plan.of-memory": "{need} of {have}", "plan.time": "about {hours}", "plan.energy": "about {energy} kWh",
        "plan.time-short": "less than a minute", "plan.energy-small": "less than 0.01 kWh",
        "plan.expected": "{low} – {high} nats a token of validation loss at the end",
        "plan.counts":
            "{parameters} parameters as nanoGPT counts (without the position table); {total} with it; {body} in the blocks",
        "plan.flops": "{flops} MFLOP a token, forward and backward", "plan.ratio": "{ratio} tokens a parameter",
        "plan.part.weights": "weights", "plan.part.gradients": "gradients", "plan.part.optimizer": "optimizer",
        "plan.part.activations": "activations", "plan.part.classifier": "classifier", "plan.part.workspace": "workspace",
        "plan.batch-line":
            "batch_size {batch} x gradient_accumulation_steps {steps} x block_size {context} = {tokens} tokens a step",
        "plan.speed-line": "about {speed} tokens/s",
        "plan.usual-line": "learning_rate {low} to {high}; about {batch} tokens a step",
        "plan.efficiency.given": "{share} of the peak, as given.",
        "plan.efficiency.geforce":
            "{share} of the card's dense peak: nanoGPT reached 62% on an RTX 4070 with a 40M model, smaller batches less.",
        "plan.efficiency.data-centre":
            "{share} of the card's dense peak: nanoGPT's own 124M run reached about 30% on A100 cards, llm.c about 60%.",
        "plan.efficiency.cpu": "{share} of the matrix rate measured just now on this machine.",
        "plan.no-law":
            "{parameters} parameters and {tokens} tokens are too far from the runs that the law was fitted to: no loss is told.",
        "plan.no-length": "max_iters is not set, so no loss can be told.",
        "plan.search.too-short":
            """
        no model can be recommended for {hours} on {device}: it is too short for even the smallest to come near the runs \
        that the law was fitted to; about {enough} would do (--hours)
        """,
        "plan.search.too-long":
            """
        no model can be recommended for {hours} on {device}: what fits into it would go far beyond the runs that the law \
        was fitted to; up to about {enough} a model can be found (--hours)
        """,
        "plan.search.no-speed": "no model can be recommended: the speed of {device} at this dtype is unknown",
        "plan.search.no-model":
            """
        no model can be recommended on {device}, whatever the hours: no reference tells what a model of this data, \
        vocabulary and context reaches, or none fits into the memory
        """,
        "plan.search.none":
            """
        No model can be recommended for these hours: all are too far from the runs that the law was fitted to, or do not \
        fit.
        """,
        "plan.note.dataset":
            "FineWeb-like text: name the data set (--dataset openwebtext, --data DIR) for an expectation of its own.",
        "plan.note.vocabulary": "vocab_size {size}, since no data set was given (--data DIR).",
        "plan.note.unique": "the size of the data set is unknown: repeated text is not counted (--unique-tokens N).",
        "plan.warn.heads": "n_embd {width} is not divisible by n_head {heads}: the run would not start. {line} fits.",
        "plan.warn.head-size": "Heads of {head} are not a multiple of 8, which matrix units want: {line} would be faster.",
        "plan.warn.head-size-width":
            "Heads of {head} are not a multiple of 8, which matrix units want: choose n_embd as a multiple of 64.",
        "plan.warn.vocabulary": "A vocabulary of {size} rows is not a multiple of 64, which slows the largest product: {line}.",
        "plan.warn.size":
            """
        This is a {size} model with the layers and heads of the {intended} one: n_embd is {width}. If {intended} was \
        meant, set {line}; if not, {keep} gives it the usual heads of 64.
        """,
        "plan.warn.too-large":
            """
        Even one sequence at a time needs {need}, where {have} is to be had: a smaller model or block_size is \
        needed.
        """,
        "plan.warn.recompute":
            """
        As written it needs {was} of {have}. It fits with {line} and batch_size {batch} x {steps}, and takes a third \
        more time.
        """,
        "plan.warn.batch-lowered":
            """
        batch_size {asked} needs {was} of {have}. batch_size {batch} x gradient_accumulation_steps {steps} fits, with \
        as many tokens a step.
        """,
        "plan.warn.batch-divisible":
            "{sequences} sequences a step divide badly into micro-batches; {near} would leave a choice.",
        "plan.warn.no-bf16": "The {device} has no bfloat16: it trains in float16 with loss scaling, or in float32.",
        "plan.warn.no-length": "max_iters is not set, so time and loss cannot be told: {steps} would be 20 tokens a parameter.",
        "plan.warn.few-tokens":
            """
        {ratio} tokens a parameter are few: a smaller model reaches the same loss sooner, or this one wants {tokens} \
        tokens.
        """,
        "plan.warn.repeats":
            "The {unique} tokens are read {epochs} times; from the fourth time on repeats are worth less and less.",
        "plan.warn.over-budget": "It takes {hours}, more than the {budget} given.",
        "plan.warn.rate-low":
            "learning_rate {rate} is low: {low} to {high} is usual for this size and would gain about {cost} nats.",
        "plan.warn.rate-high": "learning_rate {rate} is high: {low} to {high} is usual for this size.",
        "plan.warn.batch-large":
            "{batch} tokens a step are more than pays: about {good} would be best, and gain about {cost} nats.",
        "plan.warn.decay-end":
            """
        The learning rate's decay ends at step {decay}, the run at {steps}: they belong together (lr_decay_iters = \
        max_iters).
        """,
        "plan.warn.final-rate": "min_lr {rate} is more than a fifth of the peak {peak}: a tenth or less ends lower.",
        "plan.warn.warmup": "A warm-up of {warmup} steps is much of {steps}.",
        "plan.search": "The best models for these hours",
        "plan.search.model": "model", "plan.search.shape": "layers x width", "plan.search.tokens": "tokens",
        "plan.search.loss": "loss",
        "plan.search.time": "time",
    ]
}

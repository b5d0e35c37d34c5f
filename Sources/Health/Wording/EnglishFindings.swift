// SPDX-License-Identifier: MIT

extension Catalogue {
    /// What each rule found.
    static let englishFindings: [String: String] = [
        "loss-expected.pass": "The loss is {loss}; {low} to {high} is expected.",
        "loss-expected.below": "The loss is {loss}, better than the {low} to {high} that is expected.",
        "loss-expected.high": "The loss is {loss}, {gap} above the middle of the {low} to {high} that is expected.",
        "loss-expected.predicted-pass": "The curve leads to {loss}; {low} to {high} is expected.",
        "loss-expected.predicted-below": "The curve leads to {loss}, better than the {low} to {high} that is expected.",
        "loss-expected.predicted-high":
            "The curve leads to {loss}, {gap} above the middle of the {low} to {high} that is expected.",
        "too-good.pass": "The loss is not below {floor}, the best that is expected.",
        "too-good.fail": "A loss of {loss} is impossible where {floor} is the best that is expected.",
        "too-good.memorised":
            "A training loss of {loss} means that the text was learned by heart, or that one batch comes again and again.",
        "documents.suspect":
            "Training is stable, both splits agree, and no setting explains {unexplained} nats: the text itself is the first suspect.",
        "documents.suspect-early":
            "The loss was already {early} nats too high at step {step}, smoothly and on both splits: documents cut into short pieces look like this.",
        "documents.single": "The text is one document.",
        "documents.lines": "A document has {mean} tokens on average: it is a line, not a document, and {share} of a context.",
        "documents.short": "A document has {mean} tokens on average, where {low} or more is usual.",
        "documents.pass": "A document has {mean} tokens on average.",
        "vocabulary.pass": "{rows} rows for {ids} ids.",
        "vocabulary.large":
            "The model has {rows} rows in its vocabulary and the data uses {ids} ids: {unused} of the rows are never seen, as if another tokenizer was meant.",
        "vocabulary.small": "The model has {rows} rows in its vocabulary and the data {ids} ids: some ids have no row.",
        "duplicates.pass": "{share} of the documents occurred before.",
        "duplicates.many":
            "{share} of the documents occurred before: each text stands in the data about {times} times, so one epoch is that many.",
        "train-val-gap.pass": "Validation less training loss is {gap}, within its error.",
        "train-val-gap.overfit":
            "Validation loss rose by {rise} since step {step} while training loss fell: the model learns the text by heart.",
        "train-val-gap.leak": "Validation loss is {gap} against training loss: validation text occurs in training, or is easier.",
        "train-val-gap.growing": "The gap has grown to {gap}: the model begins to learn the text by heart.",
        "train-val-gap.domain":
            "The gap is {gap} and has been about as large from the start: the validation text is of another kind.",
        "validation-power.pass": "An evaluation reads {tokens} tokens; its standard error is about {error} nats.",
        "validation-power.pass-stated": "The standard error of the validation loss is {error} nats.",
        "validation-power.weak":
            "An evaluation reads {tokens} tokens; its standard error is about {error} nats, so differences below {twice} mean nothing.",
        "validation-power.weak-stated":
            "The standard error of the validation loss is {error} nats, so differences below {twice} mean nothing.",
        "epochs.pass": "The text was read {epochs} times.",
        "epochs.pass-cost": "The text was read {epochs} times; it costs {cost} nats.",
        "epochs.pass-planned":
            "The text was read {epochs} times, which costs {cost} nats; by the planned end it is {plannedEpochs} times, which costs {plannedCost}.",
        "epochs.some": "The {unique} tokens were read {epochs} times; they are worth {worth} fresh ones.",
        "epochs.many":
            "The {unique} tokens were read {epochs} times; they are worth {worth} fresh ones, and more reading gives almost nothing.",
        "epochs.one-file":
            "The size of the training split is unknown; one FineWeb file holds about 0.73B GPT-2 tokens, of which {tokens} would be {epochs} epochs. --data DIR tells.",
        "tokens-per-parameter.few":
            "{ratio} tokens a parameter: a smaller model would be better and faster after as much compute.",
        "tokens-per-parameter.below": "{ratio} tokens a parameter, somewhat below the 20 that use compute best.",
        "tokens-per-parameter.many": "{ratio} tokens a parameter: a larger model would gain more from as many tokens.",
        "tokens-per-parameter.pass": "{ratio} tokens a parameter.",
        "model-size.pass": "{size} parameters, heads of {head}.",
        "model-size.other":
            "The model has {size} parameters and heads of {head}: {layers} layers and {heads} heads are those of the {intended} model, whose n_embd is {meant}, not {width}.",
        "learning-rate.pass": "{rate} is in the usual range.",
        "learning-rate.pass-low": "{rate} is on the careful side; {low} to {high} is usual.",
        "learning-rate.low":
            "{rate} is low for width {width}; {low} to {high} is usual and would gain {gainLow} to {gainHigh} nats.",
        "learning-rate.low-size":
            "{rate} is low for this size; {low} to {high} is usual and would gain {gainLow} to {gainHigh} nats.",
        "learning-rate.high": "{rate} is far above the usual {low} to {high}: training is at the edge of divergence.",
        "learning-rate.other": "Rates of {name} have no common scale, so this one cannot be judged.",
        "batch-size.pass": "{batch} tokens a step.",
        "batch-size.large":
            "{batch} tokens a step, where about {good} are best: half would do with twice the steps and gain about {cost} nats.",
        "batch-size.small": "{batch} tokens a step, where about {good} are best.",
        "schedule-end.pass": "The decay ends with the run, at step {decay}.",
        "schedule-end.constant": "The rate never comes down: a decay at the end would gain 0.07 to 0.16 nats.",
        "schedule-end.late":
            "The decay is planned to step {decay} but the run ends at {total}: the rate only falls to {share} of its peak.",
        "schedule-end.late-warmup":
            "The decay is planned to step {decay} but the run ends at {total}, within its warm-up of {warmup} steps: the rate never falls.",
        "schedule-end.all-warmup": "The run ends at step {total}, within its warm-up of {warmup} steps: there is no decay.",
        "schedule-end.early": "The decay ends at step {decay} of {total}: the last {wasted} of the run move the model little.",
        "schedule-end.under-way": "The record ends at step {last} of {total}.",
        "schedule-end.stopped": "The run broke off at step {last} of {total}, its rate at {share} of the peak.",
        "schedule-end.failed": "The run broke off at step {last} of {total}, its rate at {share} of the peak: {why}",
        "final-rate.pass": "The rate ended at {share} of its peak.",
        "final-rate.high": "The rate ended at {share} of its peak: a decay would gain 0.07 to 0.16 nats.",
        "final-rate.rising": "The rate had risen to {share} of its peak when the run ended in its warm-up.",
        "final-rate.under-way": "The rate is at {share} of its peak.",
        "warmup.pass": "{steps} steps.",
        "warmup.none": "{steps#One step|% steps} of warm-up before a full rate: Adam's first steps are blind.",
        "warmup.outlasts": "The warm-up of {steps} steps outlasts the run of {total}: the rate never reaches its peak.",
        "warmup.long": "The warm-up takes {share} of the run.",
        "init-loss.pass": "{loss}; ln {vocabulary} is {expected}.",
        "init-loss.modern":
            "{loss}, above ln {vocabulary} = {expected}, as recipes with another initialisation of the head have it.",
        "init-loss.low":
            "{loss} is below ln {vocabulary} = {expected}: the vocabulary is not the one the configuration names, or the model is not new.",
        "init-loss.high":
            "{loss} is above ln {vocabulary} = {expected}: the initialisation is not GPT-2's, or the vocabulary is another.",
        "unigram.pass": "{loss} at step {step}, below the {floor} of the token frequencies.",
        "unigram.never": "The loss of {end} is no better than the {floor} that token frequencies give.",
        "unigram.late": "It took until step {step} to beat the {floor} of the token frequencies.",
        "non-finite.pass": "All losses and norms are numbers.",
        "non-finite.skipped": "{count#One update was|% updates were} skipped because a value was not finite.",
        "non-finite.skipped-most":
            "{count} of {all} updates were skipped because a value was not finite: the weights no longer move.",
        "non-finite.some": "{count#One value is|% values are} not finite, the first at step {step}; the run went on.",
        "non-finite.ended": "From step {step} on the loss is not a number; the last good step is {good}.",
        "divergence.pass": "The loss ended within {rise} of its lowest value.",
        "divergence.fail": "The loss rose by {rise} from {best} at step {step} and ended at {end}.",
        "spikes.none": "No spike.",
        "spikes.recovered": "{count#One spike|% spikes}, made good.",
        "spikes.open": "A spike of {height} nats at step {step} was not made good.",
        "spikes.many": "{count} spikes, all made good; the largest of {height} nats at step {step}.",
        "grad-norm.pass": "{end} at the end, {middle} in the middle.",
        "grad-norm.grows": "It grew from {middle} to {end}, {ratio} times.",
        "grad-norm.vanished": "It fell to {end}: nothing is learned any more.",
        "clip-rate.pass": "{share} of the gradients are cut by a third or more to {clip}.",
        "clip-rate.often":
            "{share} of the gradients are cut by a third or more to {clip}: the clip value, not the gradient, sets the step.",
        "resume-seams.none": "The run was not resumed.",
        "resume-seams.pass": "{count#One resume|% resumes}; the loss went on at its level.",
        "resume-seams.jump": "After the resume at step {step} the loss stood {jump} nats against the level before.",
        "interruptions.pass": "None in the log.",
        "interruptions.some": "{count#One crash|% crashes}; the last: {last}",
        "interruptions.rollback": "The run went back to a checkpoint by itself, {count#once|% times}; the last: {last}",
        "own-warnings.pass": "The run had nothing to say.",
        "own-warnings.some": "{count#One warning|% warnings}; the last, at step {step}: {last}",
        "interruptions.memory": "The device ran out of memory after step {step}: {last}",
        "samples.pass": "{share} of the four-word sequences repeat.",
        "samples.loops": "{share} of the four-word sequences repeat: the texts go round in circles.",
        "mfu.good": "{tflops} TFLOP/s are {share} of the {peak} of {device}: well used.",
        "mfu.fair": "{tflops} TFLOP/s are {share} of the {peak} of {device}.",
        "mfu.low": "{tflops} TFLOP/s are {share} of the {peak} of {device}: most of it idles.",
        "mfu.good-restated":
            "The {printed} printed is of an {printedName} ({printedPeak} TFLOP/s); of your {device} ({peak}) it is {share}: well used.",
        "mfu.fair-restated":
            "The {printed} printed is of an {printedName} ({printedPeak} TFLOP/s); of your {device} ({peak}) it is {share}.",
        "mfu.low-restated":
            "The {printed} printed is of an {printedName} ({printedPeak} TFLOP/s); of your {device} ({peak}) it is {share}: most of it idles.",
        "mfu.no-device": "{tflops} TFLOP/s; of what device is unknown (--device \"NAME\" tells).",
        "mfu.no-device-printed":
            "The {printed} printed is of an {printedName}'s {printedPeak} TFLOP/s, whatever the card: {tflops} TFLOP/s. --device \"NAME\" compares with yours.",
        "mfu.ceiling": "{tflops} TFLOP/s are {share} of the matmul rate that the run measured on this machine.",
        "mfu.ceiling-busy":
            "{tflops} TFLOP/s are {share} of the matmul rate that the run measured on this machine: it was busy when that was measured.",
        "mfu.own": "The run reports {share} of its device's peak.",
        "mfu.impossible":
            "{tflops} TFLOP/s are more than {device} can do ({peak}): several devices worked, or the device is another.",
        "step-time.pass": "Median {median} ms, 95th percentile {p95} ms.",
        "step-time.uneven": "Median {median} ms, but one step in twenty takes {p95} ms or more.",
        "data-stalls.pass": "{share} of the time.",
        "data-stalls.short": "{share} of the time, but only {ms} ms in all: too little to matter.",
        "data-stalls.waits": "Updates wait for data {share} of the time.",
        "throughput-drift.pass": "The speed held.",
        "throughput-drift.slower": "Steps became {drift} slower: heat, another program, or a filling memory.",
        "eval-time.pass": "{share} of the time.",
        "eval-time.much": "Evaluations take {share} of the time.",
        "memory.pass": "{used} of {total} ({share}).",
        "memory.room": "{used} of {total} ({share}): a larger micro-batch would fit.",
        "memory.tight": "{used} of {total} ({share}): the next larger tensor breaks the run.",
    ]

    /// What to do about it.
    static let englishAdvice: [String: String] = [
        "too-good.advice": "Look at one batch: targets must be the inputs moved by one, from different text each step.",
        "documents.advice-audit":
            "Look at the data before training again: {command} measures the tokens between end-of-text tokens.",
        "documents.advice-prepare": "Prepare the data again from whole documents, one end-of-text after each, and train again.",
        "vocabulary.advice": "Set {line}, or prepare the data with the tokenizer that was meant.",
        "duplicates.advice": "Remove the copies and prepare the data again.",
        "train-val-gap.advice-overfit": "Take the checkpoint of step {step}; use more text, fewer steps, or dropout.",
        "train-val-gap.advice-leak": "Look for validation documents in the training text.",
        "train-val-gap.advice-growing": "Use more text or fewer steps.",
        "train-val-gap.advice-domain": "Take the validation documents at random from the same source as the training text.",
        "validation-power.advice": "Evaluate on more tokens: a million bring the error below 0.01 nats.",
        "epochs.advice": "Get more text before training longer.",
        "tokens-per-parameter.advice-few": "Train on {twenty} tokens, or take a smaller model.",
        "model-size.advice":
            "If {intended} was meant, set {line}. If this size was meant, {keep} gives it the usual heads of 64.",
        "learning-rate.advice-low": "Set {line} and min_lr to a tenth of it.",
        "learning-rate.advice-high": "Set {line}.",
        "batch-size.advice-large": "Use {half} tokens a step and twice the steps.",
        "schedule-end.advice-constant": "Let the rate decay to a tenth or less by the end.",
        "schedule-end.advice-late": "Set {line}, so that the decay ends with the run.",
        "schedule-end.advice-early": "Set {line}, or stop the run where the decay ends.",
        "schedule-end.advice-stopped": "Resume the run from its last checkpoint.",
        "schedule-end.advice-failed": "Mend what it broke off for, then resume the run from its last checkpoint.",
        "final-rate.advice": "Continue from the last checkpoint with a rate that decays to nothing over a fifth of the steps.",
        "warmup.advice-none": "Set {suggestion}.",
        "warmup.advice-outlasts": "Set {suggestion}, so that the rate reaches its peak within the run.",
        "warmup.advice-long": "Set {suggestion}.",
        "init-loss.advice-low":
            "Compare vocab_size with the tokenizer that made the data; about {implied} entries would explain the loss.",
        "init-loss.advice-high": "Compare the initialisation and vocab_size with the model that was meant.",
        "unigram.advice": "Check that inputs and targets belong together, then try a tenth of the learning rate.",
        "non-finite.advice":
            "Go back to the last good checkpoint, and halve the learning rate or lengthen the warm-up.",
        "non-finite.advice-dtype":
            "Go back to the last good checkpoint, and halve the learning rate or lengthen the warm-up; if it trains in float16, use bfloat16.",
        "non-finite.advice-fp16": "Use bfloat16, which does not overflow; with float16 keep the loss scaling on.",
        "divergence.advice":
            "Go back to a checkpoint before the rise and train on with a third of the learning rate, a longer warm-up and grad_clip 1.0.",
        "spikes.advice": "Restart from a checkpoint before step {before} and skip the next few hundred batches (PaLM's cure).",
        "spikes.advice-many": "Lower the learning rate a little or beta2 to 0.95.",
        "grad-norm.advice-grows": "Watch it: lower the rate, or check weight decay and grad_clip, before it diverges.",
        "grad-norm.advice-vanished": "Check the labels, the loss and the data type: a gradient of nothing teaches nothing.",
        "clip-rate.advice": "Lower the learning rate or raise grad_clip.",
        "resume-seams.advice":
            "Restore optimizer, schedule and data position together with the weights, and resume again from the checkpoint before.",
        "interruptions.advice-memory": "Use a smaller micro-batch and more accumulation steps.",
        "samples.advice": "Sample with temperature 0.8 and top-k 200; if it stays, train longer or look at the data for repeats.",
        "mfu.advice-low": "Use bfloat16, a larger micro-batch, and check that nothing else uses the device.",
        "mfu.advice-impossible": "Name the device and how many there were.",
        "step-time.advice": "Look for other programs on the machine, slow storage, or logging at every step.",
        "data-stalls.advice": "Put the data on a faster disk, or let the loader read ahead.",
        "throughput-drift.advice": "Check the temperature and power limit of the device, and other programs.",
        "eval-time.advice": "Evaluate half as often, or on fewer tokens.",
        "memory.advice-tight": "Lower the micro-batch by one step.",
        "memory.advice-room": "Double the micro-batch and halve the accumulation.",
    ]
}

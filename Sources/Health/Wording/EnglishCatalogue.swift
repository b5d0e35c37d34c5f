// SPDX-License-Identifier: MIT

extension Catalogue {
    /// The report in English.
    public static let english = Catalogue(
        language: "en", decimalMark: ".", groupMark: ",", listLast: " and ",
        templates: englishLetter.merging(englishChecks) { a, _ in a }.merging(englishFindings) { a, _ in a }.merging(
            englishAdvice
        ) { a, _ in a })

    /// The letter: headlines, reasons, scenarios, and the words of the page.
    static let englishLetter: [String: String] = [
        "verdict.healthy": "HEALTHY", "verdict.watch": "WATCH", "verdict.unhealthy": "UNHEALTHY",
        "verdict.cannot_tell": "CANNOT TELL",

        "headline.healthy": "The run is sound and its loss is where it should be.",
        "headline.healthy-under-way": "The run is sound so far and on course for the loss it should reach.",
        "headline.healthy-shape": "Nothing wrong was found; how good the loss is cannot be told, since no reference fits.",
        "headline.healthy-shape-under-way":
            "Nothing wrong was found so far; how good the loss is cannot be told, since no reference fits.",
        "headline.healthy-facts": "Nothing wrong was found; to judge the loss a fact is missing.",
        "headline.healthy-facts-under-way": "Nothing wrong was found so far; to judge the loss a fact is missing.",
        "headline.cannot-tell": "Too little was recorded to judge this run.",
        "headline.non-finite": "The run broke down: its loss is no longer a number.",
        "headline.divergence": "The run diverged: its loss rose and did not come back.",
        "headline.unigram": "The model has learned nothing beyond how often each token occurs.",
        "headline.too-good": "The loss is lower than text allows: the model sees what it should predict.",
        "headline.loss-high-stable": "Stable training, but about {gap} nats worse than this model should be.",
        "headline.loss-high": "About {gap} nats worse than this model should be.",
        "headline.train-val-gap": "The model learns its training text by heart: validation loss has been rising.",
        "headline.validation-power": "The training may be fine, but the validation split is too small to say so.",
        "headline.resume-seams": "The run was fine until a resume set it back.",
        "headline.schedule-end": "The run ended before its learning rate came down.",
        "headline.documents": "The training data is cut into pieces.",
        "headline.unhealthy": "Something is wrong: {what}.",
        "headline.watch": "Mostly sound, with one thing to look at: {what}.",
        "headline.watch-several": "Mostly sound, with {count} things to look at: first {what}.",
        "headline.watch-plain": "Mostly sound, with {count#one thing|% things} to look at; --all lists what.",

        "label.number": "{value}", "label.data": "data", "label.lr": "lr", "label.size": "size", "label.batch": "batch",
        "label.schedule": "schedule", "label.leak": "leak", "label.overfit": "overfit", "label.split": "split",
        "label.epochs": "epochs",
        "label.start": "start", "label.stuck": "stuck", "label.nan": "NaN", "label.diverged": "diverged", "label.spike": "spike",
        "label.gradient": "gradient", "label.resume": "resume", "label.samples": "samples", "label.loader": "loader",

        "reason.loss.pass":
            "validation loss, inside the {low} – {high} that is expected for {parameters} parameters and {tokens} tokens of {dataset}.",
        "reason.loss.below":
            "validation loss, better than the {low} – {high} that is expected for {parameters} parameters and {tokens} tokens of {dataset}.",
        "reason.loss.high":
            "validation loss, where {low} – {high} is expected for {parameters} parameters, {tokens} tokens of {dataset} and these settings.",
        "reason.loss.high-tokens":
            "validation loss, where {low} – {high} is expected for {parameters} parameters, {tokens} tokens of {dataset} and these settings. "
            + "About {enough} tokens ({share} of them) should do as well.",
        "reason.loss.predicted-pass":
            "predicted at the end, inside the {low} – {high} expected for {parameters} parameters and {tokens} tokens of {dataset}.",
        "reason.loss.predicted-below":
            "predicted at the end, better than the {low} – {high} expected for {parameters} parameters and {tokens} tokens of {dataset}.",
        "reason.loss.predicted-high":
            "predicted at the end, where {low} – {high} is expected for {parameters} parameters, {tokens} tokens of {dataset} and these settings.",
        "reason.loss.no-reference": "loss; {why}.",
        "reason.documents.suspect":
            "is the first suspect: training is stable, both splits agree, and no setting explains {unexplained} nats. Check: {command}",
        "reason.documents.suspect-early":
            "is the first suspect: the curve is smooth and already {early} nats too high at step {step}, which is what documents cut into short pieces look like. "
            + "Check: {command}",
        "reason.documents.lines":
            "documents are cut into pieces of {mean} tokens on average: most of a context of {block} tokens is other texts.",
        "reason.lr-low": "{rate} is low for width {width} ({low} – {high} is usual): worth {gainLow} – {gainHigh}.",
        "reason.lr-low-size": "{rate} is low for this size ({low} – {high} is usual): worth {gainLow} – {gainHigh}.",
        "reason.model-size": "this is {size}, not {intended}: n_embd is {width}. The {intended} model has {line}.",
        "reason.too-good":
            "{loss} is far below {floor}, the best that is expected: labels leak into the inputs, or the same text comes again and again.",
        "reason.overfit": "validation loss has risen by {rise} since step {step} while training loss went on falling.",
        "reason.validation-power":
            "one standard error of the validation loss is {error} nats: differences below {twice} mean nothing.",
        "reason.epochs": "the training text was read {epochs} times; it is worth {worth} fresh tokens.",
        "reason.non-finite-ended": "from step {step} on the loss is not a number. The last good step is {good}.",
        "reason.divergence": "the loss rose by {rise} from its best, {best} at step {step}, and ended at {end}.",

        "scenario.finish": "finish the run as planned ({steps} steps)",
        "scenario.restart-2x": "start again with twice the steps ({steps})",
        "scenario.restart-3x": "start again with three times the steps ({steps})",
        "scenario.continue": "{steps} more steps at the minimum rate",
        "scenario.rewarm": "bring the rate back up, decay it again over {steps} steps",
        "scenario.next-size": "the {size} model, same tokens",
        "scenario.smaller-batch": "{batch} tokens a step, twice the steps",
        "scenario.better-lr": "the same with learning_rate {rate}",
        "scenario.better-data": "mend the data, train again, same settings",
        "scenario.better-data-lr": "the same on mended data with learning_rate {rate}",
        "scenario.next-size-better-data": "the {size} model on mended data, same tokens",
        "next.finish": "finish the run as it is ({steps} steps)",
        "next.restart-2x": "twice the steps on the same data",
        "next.continue": "keep training as it is: the rate has decayed",
        "next.too-early": "let it run on: too early for a forecast",
        "next.too-early.why": "the curve so far is too short to say where the run ends",
        "scenario-basis.finish": "read from the curve so far and the rest of the learning-rate schedule",
        "scenario-basis.restart-2x": "the law's gain from more tokens, applied to this run's own loss",
        "scenario-basis.restart-3x": "the law's gain from more tokens, applied to this run's own loss",
        "scenario-basis.restart-curve": "read from this run's own curve, on a schedule twice as long; no law knows this text",
        "scenario-basis.continue": "read from the curve: at this rate {steps} steps move the model little",
        "scenario-basis.rewarm": "as twice the steps, a little worse: part of the first decay is lost on the way up",
        "scenario-basis.next-size": "the law's gain from more parameters, applied to this run's own loss",
        "scenario-basis.smaller-batch": "more updates from the same tokens; the gain is small and uncertain",
        "scenario-basis.better-lr":
            "runs with a rate this far below the usual end higher; how much is known within a factor of two",
        "scenario-basis.better-data": "what this model should reach on whole documents with these settings",
        "scenario-basis.better-data-lr": "what this model should reach on whole documents with a usual rate",
        "scenario-basis.next-size-better-data": "what the larger model should reach on whole documents",

        "page.title": "{program} report", "page.parameters": "{count} parameters", "page.tokens": "{count} tokens",
        "page.steps": "{count} steps",
        "source.apus": "Apus run", "source.nanogpt": "nanoGPT log", "source.llm.c": "llm.c log",
        "source.huggingface": "Hugging Face run",
        "source.csv": "table",
        "page.next": "What to do next", "page.loss": "loss", "page.hours": "time", "page.confidence": "confidence: {level}",
        "confidence.good": "good", "confidence.fair": "fair", "confidence.low": "low",
        "page.speed": "Speed", "page.speed-line": "{speed} tokens/s. {mfu}", "page.speed-only": "{speed} tokens/s.",
        "page.expected": "expected", "page.forecast": "forecast", "page.notes": "Notes",
        "page.best": "best use of the next 10 hours",
        "page.counts": "{total} checks: {pass} pass · {warn} watch · {fail} fail · {info} note · {cannot} cannot tell",
        "page.all-hint": "--all lists them, --format html draws them",
        "page.end": "at {tokens} tokens", "page.end-steps": "at step {steps}", "page.val": "validation", "page.train": "training",
        "page.basis": "Expected", "page.bits": "{bits} bits per byte",
        "status.pass": "pass", "status.warn": "watch", "status.fail": "fail", "status.info": "note",
        "status.cannot_tell": "cannot tell",
        "page.is-expected": "{low} to {high}", "page.at-most": "at most {high}", "page.at-least": "at least {low}",

        "expected.law":
            "law of public decayed runs at {parameters} parameters and {tokens} tokens of {dataset}, {recipe} ({costs} for this run's own settings); "
            + "one standard deviation {sigma}; {coverage} of sound runs end inside",
        "expected.extrapolated":
            "the law is extrapolated to {parameters} parameters and {tokens} tokens of {dataset}, {recipe} ({costs} for this run's own settings); "
            + "one standard deviation {sigma}; {coverage} of sound runs should end inside",
        "expected.no-parameters": "the number of parameters is unknown; give --n-layer, --n-head and --n-embd, or --config FILE",
        "expected.no-tokens":
            "the tokens of a step are unknown; give --config FILE, or --batch-size and --gradient-accumulation-steps",
        "expected.no-dataset":
            "no reference for this data set (there is one for FineWeb, FineWeb-Edu and OpenWebText; --dataset names it)",
        "expected.characters": "character-level losses have no reference; compare bits per byte and the shape of the curve",
        "expected.other-tokenizer":
            "the reference counts GPT-2 tokens and this run counts those of '{name}'; compare bits per byte",
        "expected.other-vocabulary":
            "the reference counts GPT-2 tokens and this vocabulary has {size} entries; compare bits per byte",
        "expected.fine-tuned": "the run started from '{start}', so the law for training from scratch says nothing",
        "recipe.plain": "GPT-2's plain AdamW recipe", "recipe.tuned": "tuned AdamW", "recipe.muon": "a newer optimizer",
        "recipe.muon-modern": "modern architecture with a newer optimizer",
        "recipe.adamw-modern": "modern architecture with AdamW",
        "recipe.unknown": "unknown recipe",

        "note.several-runs-last": "The file holds {count} runs; this is about the last one (from line {line}, {steps} steps).",
        "note.several-runs":
            "The file holds {count} runs; this is about number {index} (from line {line}, {steps} steps), the last that got far.",
        "note.resumed": "The run was resumed {count#once|more than once}; repeated steps count once.",
        "note.fine-tuned": "The run started from pretrained weights, so rules about training from scratch do not apply.",
        "note.rate-changed":
            "The configured peak of the learning rate is {configured}, the logged one {logged}: the run is judged by what was logged.",
        "note.unreadable-rows": "{count#One row|Some rows} could not be read and {count#was|were} left out.",
        "note.unreadable-lines": "{count#One line|Some lines} of the metrics could not be read and {count#was|were} left out.",
        "note.no-manifest": "{path} has no readable dataset.json, so nothing is known of the data; {command} makes an audit.",
    ]
}

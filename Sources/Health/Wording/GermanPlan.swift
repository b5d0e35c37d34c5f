// SPDX-License-Identifier: MIT

extension Catalogue {
    /// What `apus plan` says.
    static let germanPlan: [String: String] = [
        "plan.parameters": "{count} Parameter", "plan.tokens": "{count} Tokens",
        "plan.fits": "PASST", "plan.too-large": "ZU GROSS", "plan.loss": "Loss", "plan.model": "Modell",
        "plan.memory": "Speicher",
        "plan.batch": "Batch", "plan.speed": "Tempo", "plan.usual": "üblich", "plan.warnings": "Zu bedenken",
        "plan.notes": "Angenommen",
        "plan.of-memory": "{need} von {have}", "plan.time": "etwa {hours}", "plan.energy": "etwa {energy} kWh",
        "plan.time-short": "weniger als eine Minute", "plan.energy-small": "weniger als 0,01 kWh",
        "plan.expected": "{low} – {high} Nats je Token als Validierungs-Loss am Ende",
        "plan.counts":
            "{parameters} Parameter nach nanoGPTs Zählung (ohne die Positionstabelle); {total} mit ihr; {body} in den Blöcken",
        "plan.flops": "{flops} MFLOP je Token, vorwärts und rückwärts", "plan.ratio": "{ratio} Tokens je Parameter",
        "plan.part.weights": "Gewichte", "plan.part.gradients": "Gradienten", "plan.part.optimizer": "Optimierer",
        "plan.part.activations": "Aktivierungen", "plan.part.classifier": "Ausgabeschicht",
        "plan.part.workspace": "Arbeitsspeicher",
        "plan.batch-line":
            "batch_size {batch} x gradient_accumulation_steps {steps} x block_size {context} = {tokens} Tokens je Schritt",
        "plan.speed-line": "etwa {speed} Tokens/s",
        "plan.usual-line": "learning_rate {low} bis {high}; etwa {batch} Tokens je Schritt",
        "plan.efficiency.given": "{share} der Höchstleistung, wie angegeben.",
        "plan.efficiency.geforce":
            """
        {share} der dichten Höchstleistung der Karte: nanoGPT erreichte auf einer RTX 4070 mit einem 40M-Modell 62 %, mit \
        kleineren Batches weniger.
        """,
        "plan.efficiency.data-centre":
            """
        {share} der dichten Höchstleistung der Karte: nanoGPTs eigener 124M-Lauf erreichte auf A100-Karten etwa 30 %, \
        llm.c etwa 60 %.
        """,
        "plan.efficiency.cpu": "{share} der Matrixleistung, die eben auf diesem Rechner gemessen wurde.",
        "plan.no-law":
            """
        {parameters} Parameter und {tokens} Tokens liegen zu weit von den Läufen entfernt, aus denen das Gesetz stammt: \
        Ein Loss wird nicht genannt.
        """,
        "plan.no-length": "max_iters ist nicht gesetzt, daher lässt sich kein Loss nennen.",
        "plan.search.too-short":
            """
        Für {hours} auf {device} lässt sich kein Modell empfehlen: Das ist so kurz, dass selbst das kleinste den Läufen des \
        Gesetzes nicht nahe kommt; etwa {enough} würden reichen (--hours)
        """,
        "plan.search.too-long":
            """
        Für {hours} auf {device} lässt sich kein Modell empfehlen: Was darin möglich ist, liegt weit jenseits der Läufe des \
        Gesetzes; bis etwa {enough} findet sich ein Modell (--hours)
        """,
        "plan.search.no-speed": "Es lässt sich kein Modell empfehlen: Das Tempo von {device} mit diesem dtype ist unbekannt",
        "plan.search.no-model":
            """
        Auf {device} lässt sich kein Modell empfehlen, wie viele Stunden es auch sind: Kein Vergleich sagt, was ein Modell \
        dieser Daten, dieses Vokabulars und dieses Kontexts erreicht, oder keines passt in den Speicher
        """,
        "plan.search.none":
            """
        Für diese Stunden lässt sich kein Modell empfehlen: Alle liegen zu weit von den Läufen des Gesetzes entfernt oder \
        passen nicht in den Speicher.
        """,
        "plan.note.dataset":
            """
        Text wie FineWeb: Nennen Sie den Datensatz (--dataset openwebtext, --data ORDNER), um seine eigene Erwartung zu \
        erhalten.
        """,
        "plan.note.vocabulary": "vocab_size {size}, da kein Datensatz angegeben ist (--data ORDNER).",
        "plan.note.unique":
            "Die Größe des Datensatzes ist unbekannt: Wiederholter Text ist nicht berücksichtigt (--unique-tokens N).",
        "plan.warn.heads": "n_embd {width} ist nicht durch n_head {heads} teilbar: Der Lauf würde nicht beginnen. {line} passt.",
        "plan.warn.head-size":
            "Köpfe der Breite {head} sind kein Vielfaches von 8, wie Matrixeinheiten es brauchen: {line} wäre schneller.",
        "plan.warn.head-size-width":
            """
        Köpfe der Breite {head} sind kein Vielfaches von 8, wie Matrixeinheiten es brauchen: Wählen Sie n_embd als \
        Vielfaches von 64.
        """,
        "plan.warn.vocabulary":
            "Ein Vokabular von {size} Zeilen ist kein Vielfaches von 64; das bremst das größte Produkt: {line}.",
        "plan.warn.size":
            """
        Dies ist ein {size}-Modell mit den Schichten und Köpfen des {intended}-Modells: n_embd ist {width}. War {intended} \
        gemeint, setzen Sie {line}; wenn nicht, gibt {keep} ihm die üblichen Köpfe der Breite 64.
        """,
        "plan.warn.too-large":
            """
        Selbst eine Sequenz auf einmal braucht {need}, wo {have} zu haben sind: Nötig ist ein kleineres Modell \
        oder eine kleinere block_size.
        """,
        "plan.warn.recompute":
            """
        So geschrieben braucht es {was} von {have}. Mit {line} und batch_size {batch} x {steps} passt es und dauert \
        ein Drittel länger.
        """,
        "plan.warn.batch-lowered":
            """
        batch_size {asked} braucht {was} von {have}. batch_size {batch} x gradient_accumulation_steps {steps} passt, \
        bei ebenso vielen Tokens je Schritt.
        """,
        "plan.warn.batch-divisible":
            "{sequences} Sequenzen je Schritt lassen sich schlecht in Mikro-Batches teilen; {near} ließen eine Wahl.",
        "plan.warn.no-bf16": "{device} kann kein bfloat16: Trainiert wird in float16 mit Skalierung des Loss oder in float32.",
        "plan.warn.no-length":
            "max_iters ist nicht gesetzt, daher lassen sich Dauer und Loss nicht sagen: {steps} wären 20 Tokens je Parameter.",
        "plan.warn.few-tokens":
            """
        {ratio} Tokens je Parameter sind wenig: Ein kleineres Modell erreicht denselben Loss früher, oder dieses braucht \
        {tokens} Tokens.
        """,
        "plan.warn.repeats":
            "Die {unique} Tokens werden {epochs}-mal gelesen; ab dem vierten Mal sind Wiederholungen immer weniger wert.",
        "plan.warn.over-budget": "Es dauert {hours}, mehr als die gegebenen {budget}.",
        "plan.warn.rate-low":
            "learning_rate {rate} ist wenig: Für diese Größe sind {low} bis {high} üblich und brächten etwa {cost} Nats.",
        "plan.warn.rate-high": "learning_rate {rate} ist viel: Für diese Größe sind {low} bis {high} üblich.",
        "plan.warn.batch-large":
            "{batch} Tokens je Schritt sind mehr, als sich lohnt: Etwa {good} wären am besten und brächten etwa {cost} Nats.",
        "plan.warn.decay-end":
            """
        Das Absenken der Lernrate endet bei Schritt {decay}, der Lauf bei {steps}: Sie gehören zusammen (lr_decay_iters = \
        max_iters).
        """,
        "plan.warn.final-rate":
            "min_lr {rate} ist mehr als ein Fünftel des Höchstwerts {peak}: Ein Zehntel oder weniger endet niedriger.",
        "plan.warn.warmup": "{warmup} Schritte Aufwärmen sind viel bei {steps}.",
        "plan.search": "Die besten Modelle für diese Stunden",
        "plan.search.model": "Modell", "plan.search.shape": "Schichten x Breite", "plan.search.tokens": "Tokens",
        "plan.search.loss": "Loss",
        "plan.search.time": "Dauer",
    ]
}

// SPDX-License-Identifier: MIT

extension Catalogue {
    /// The report in German.
    public static let german = Catalogue(
        language: "de", decimalMark: ",", groupMark: ".", listLast: " und ", shortUnits: [" Tsd.", " Mio.", " Mrd."],
        templates: [germanLetter, germanChecks, germanNeeds, germanFindings, germanAdvice, germanPage, germanPlan].reduce(
            into: [:]) {
                $0.merge($1) { own, _ in own }
            })

    /// The letter: headlines, reasons, scenarios, and the words of the terminal page.
    static let germanLetter: [String: String] = [
        "verdict.healthy": "GESUND", "verdict.watch": "BEOBACHTEN", "verdict.unhealthy": "KRANK",
        "verdict.cannot_tell": "NICHT ZU BEURTEILEN",

        "headline.healthy": "Der Lauf ist gesund, und sein Loss liegt, wo er liegen soll.",
        "headline.healthy-under-way": "Der Lauf ist bisher gesund und auf dem Weg zu dem Loss, den er erreichen soll.",
        "headline.healthy-shape": "Kein Befund; wie gut der Loss ist, lässt sich nicht sagen, da kein Vergleichswert passt.",
        "headline.healthy-shape-under-way":
            "Bisher kein Befund; wie gut der Loss ist, lässt sich nicht sagen, da kein Vergleichswert passt.",
        "headline.healthy-facts": "Kein Befund; für ein Urteil über den Loss fehlt eine Angabe.",
        "headline.healthy-facts-under-way": "Bisher kein Befund; für ein Urteil über den Loss fehlt eine Angabe.",
        "headline.cannot-tell": "Für ein Urteil über diesen Lauf ist zu wenig aufgezeichnet.",
        "headline.non-finite": "Der Lauf ist zusammengebrochen: Sein Loss ist keine Zahl mehr.",
        "headline.divergence": "Der Lauf ist divergiert: Sein Loss stieg und kam nicht zurück.",
        "headline.unigram": "Das Modell hat nicht mehr gelernt als die Häufigkeit der Tokens.",
        "headline.too-good": "Der Loss ist niedriger, als Text es erlaubt: Das Modell sieht, was es vorhersagen soll.",
        "headline.loss-high-stable": "Stabiles Training, aber etwa {gap} Nats schlechter, als dieses Modell sein sollte.",
        "headline.loss-high": "Etwa {gap} Nats schlechter, als dieses Modell sein sollte.",
        "headline.train-val-gap": "Das Modell lernt seinen Trainingstext auswendig: Der Validierungs-Loss ist gestiegen.",
        "headline.validation-power": "Das Training mag in Ordnung sein, aber der Validierungsteil ist zu klein, um das zu sagen.",
        "headline.resume-seams": "Der Lauf war in Ordnung, bis ein Wiederaufsetzen ihn zurückwarf.",
        "headline.schedule-end": "Der Lauf endete, bevor seine Lernrate gesunken war.",
        "headline.documents": "Die Trainingsdaten sind zerstückelt.",
        "headline.unhealthy": "Etwas stimmt nicht: {what}.",
        "headline.watch": "Im Ganzen gesund; eines sollte man ansehen: {what}.",
        "headline.watch-several": "Im Ganzen gesund; {count} Dinge sollte man ansehen: zuerst {what}.",
        "headline.watch-plain": "Im Ganzen gesund; {count#eines|% Dinge} sollte man ansehen; --all nennt sie.",

        "label.number": "{value}", "label.data": "Daten", "label.lr": "Lernrate", "label.size": "Größe", "label.batch": "Batch",
        "label.schedule": "Zeitplan", "label.leak": "Leck", "label.overfit": "auswendig", "label.split": "Teilung",
        "label.epochs": "Epochen",
        "label.start": "Beginn", "label.stuck": "steht", "label.nan": "NaN", "label.diverged": "entgleist",
        "label.spike": "Ausreißer",
        "label.gradient": "Gradient", "label.resume": "Naht", "label.samples": "Proben", "label.loader": "Lader",

        "reason.loss.pass":
            """
        Validierungs-Loss, innerhalb der {low} – {high}, die bei {parameters} Parametern und {tokens} Tokens aus {dataset} \
        zu erwarten sind.
        """,
        "reason.loss.below":
            """
        Validierungs-Loss, besser als die {low} – {high}, die bei {parameters} Parametern und {tokens} Tokens aus \
        {dataset} zu erwarten sind.
        """,
        "reason.loss.high":
            """
        Validierungs-Loss; bei {parameters} Parametern, {tokens} Tokens aus {dataset} und diesen Einstellungen sind {low} \
        – {high} zu erwarten.
        """,
        "reason.loss.high-tokens":
            """
        Validierungs-Loss; bei {parameters} Parametern, {tokens} Tokens aus {dataset} und diesen Einstellungen sind {low} \
        – {high} zu erwarten. 
        """
            + "Dafür sollten etwa {enough} Tokens ({share} davon) genügen.",
        "reason.loss.predicted-pass":
            """
        Vorhersage für das Ende, innerhalb der {low} – {high}, die bei {parameters} Parametern und {tokens} Tokens aus \
        {dataset} zu erwarten sind.
        """,
        "reason.loss.predicted-below":
            """
        Vorhersage für das Ende, besser als die {low} – {high}, die bei {parameters} Parametern und {tokens} Tokens aus \
        {dataset} zu erwarten sind.
        """,
        "reason.loss.predicted-high":
            """
        Vorhersage für das Ende; bei {parameters} Parametern, {tokens} Tokens aus {dataset} und diesen Einstellungen sind \
        {low} – {high} zu erwarten.
        """,
        "reason.loss.no-reference": "Loss; {why}.",
        "reason.documents.suspect":
            """
        sind der erste Verdacht: Das Training ist stabil, beide Teile stimmen überein, und keine Einstellung erklärt \
        {unexplained} Nats. Zur Prüfung: {command}
        """,
        "reason.documents.suspect-early":
            """
        sind der erste Verdacht: Die Kurve ist glatt und schon bei Schritt {step} um {early} Nats zu hoch; so sehen \
        Dokumente aus, die in kurze Stücke zerschnitten sind. 
        """
            + "Zur Prüfung: {command}",
        "reason.documents.lines":
            """
        Die Dokumente sind in Stücke von durchschnittlich {mean} Tokens zerschnitten: Der größte Teil eines Kontexts von \
        {block} Tokens ist fremder Text.
        """,
        "reason.lr-low":
            "{rate} ist wenig für die Breite {width} (üblich sind {low} – {high}): das kostet {gainLow} – {gainHigh}.",
        "reason.lr-low-size": "{rate} ist wenig für diese Größe (üblich sind {low} – {high}): das kostet {gainLow} – {gainHigh}.",
        "reason.model-size": "Das sind {size}, nicht {intended}: n_embd ist {width}. Das {intended}-Modell hat {line}.",
        "reason.too-good":
            """
        {loss} liegt weit unter {floor}, dem Besten, was zu erwarten ist: Die Antworten stecken in den Eingaben, oder \
        derselbe Text kommt immer wieder.
        """,
        "reason.overfit":
            "Der Validierungs-Loss ist seit Schritt {step} um {rise} gestiegen, während der Trainings-Loss weiter fiel.",
        "reason.validation-power":
            "Ein Standardfehler des Validierungs-Loss beträgt {error} Nats: Unterschiede unter {twice} besagen nichts.",
        "reason.epochs": "Der Trainingstext wurde {epochs}-mal gelesen; er ist so viel wert wie {worth} frische Tokens.",
        "reason.non-finite-ended": "Ab Schritt {step} ist der Loss keine Zahl mehr. Der letzte gute Schritt ist {good}.",
        "reason.divergence": "Der Loss stieg um {rise} über seinen besten Wert, {best} bei Schritt {step}, und endete bei {end}.",

        "scenario.finish": "den Lauf wie geplant beenden ({steps} Schritte)",
        "scenario.restart-2x": "neu beginnen, mit doppelt so vielen Schritten ({steps})",
        "scenario.restart-3x": "neu beginnen, mit dreimal so vielen Schritten ({steps})",
        "scenario.continue": "{steps} weitere Schritte mit der kleinsten Lernrate",
        "scenario.rewarm": "die Lernrate wieder anheben und über {steps} Schritte erneut senken",
        "scenario.next-size": "das {size}-Modell, gleich viele Tokens",
        "scenario.smaller-batch": "{batch} Tokens je Schritt, doppelt so viele Schritte",
        "scenario.better-lr": "dasselbe mit learning_rate {rate}",
        "scenario.better-data": "die Daten in Ordnung bringen und mit denselben Einstellungen neu trainieren",
        "scenario.better-data-lr": "dasselbe auf guten Daten mit learning_rate {rate}",
        "scenario.next-size-better-data": "das {size}-Modell auf guten Daten, gleich viele Tokens",
        "next.finish": "den Lauf beenden, wie er ist ({steps} Schritte)",
        "next.restart-2x": "doppelt so viele Schritte auf denselben Daten",
        "next.continue": "einfach weitertrainieren: die Lernrate ist schon gesunken",
        "next.too-early": "weiterlaufen lassen: für eine Vorhersage ist es zu früh",
        "next.too-early.why": "die bisherige Kurve ist zu kurz, um zu sagen, wo der Lauf endet",
        "scenario-basis.finish": "aus der bisherigen Kurve und dem Rest des Lernratenplans",
        "scenario-basis.restart-2x": "der Gewinn des Gesetzes durch mehr Tokens, angewandt auf den Loss dieses Laufs",
        "scenario-basis.restart-3x": "der Gewinn des Gesetzes durch mehr Tokens, angewandt auf den Loss dieses Laufs",
        "scenario-basis.restart-curve":
            "aus der Kurve dieses Laufs, mit doppelt so langem Plan; diesen Text kennt kein Gesetz",
        "scenario-basis.continue": "aus der Kurve: mit dieser Lernrate bewegen {steps} Schritte das Modell wenig",
        "scenario-basis.rewarm":
            "wie doppelt so viele Schritte, etwas schlechter: ein Teil des ersten Absenkens geht beim Anheben verloren",
        "scenario-basis.next-size": "der Gewinn des Gesetzes durch mehr Parameter, angewandt auf den Loss dieses Laufs",
        "scenario-basis.smaller-batch": "mehr Updates aus denselben Tokens; der Gewinn ist klein und unsicher",
        "scenario-basis.better-lr":
            """
        Läufe mit einer so weit unter dem Üblichen liegenden Lernrate enden höher; um wie viel, ist auf den Faktor zwei \
        bekannt
        """,
        "scenario-basis.better-data": "was dieses Modell auf ganzen Dokumenten mit diesen Einstellungen erreichen sollte",
        "scenario-basis.better-data-lr": "was dieses Modell auf ganzen Dokumenten mit üblicher Lernrate erreichen sollte",
        "scenario-basis.next-size-better-data": "was das größere Modell auf ganzen Dokumenten erreichen sollte",

        "page.title": "{program} report", "page.parameters": "{count} Parameter", "page.tokens": "{count} Tokens",
        "page.steps": "{count} Schritte",
        "source.apus": "Apus-Lauf", "source.nanogpt": "nanoGPT-Protokoll", "source.llm.c": "llm.c-Protokoll",
        "source.huggingface": "Hugging-Face-Lauf",
        "source.csv": "Tabelle",
        "page.next": "Was als Nächstes zu tun ist", "page.loss": "Loss", "page.hours": "Dauer",
        "page.confidence": "Sicherheit: {level}",
        "confidence.good": "gut", "confidence.fair": "mäßig", "confidence.low": "gering",
        "page.speed": "Tempo", "page.speed-line": "{speed} Tokens/s. {mfu}", "page.speed-only": "{speed} Tokens/s.",
        "page.expected": "erwartet", "page.forecast": "Prognose", "page.notes": "Hinweise",
        "page.best": "beste Verwendung der nächsten 10 Stunden",
        "page.counts": "{total} Prüfungen: {pass} gut · {warn} beobachten · {fail} schlecht · {info} Hinweis · {cannot} offen",
        "page.all-hint": "--all zeigt sie alle, --format html zeichnet sie",
        "page.end": "bei {tokens} Tokens", "page.end-steps": "bei Schritt {steps}", "page.val": "Validierung",
        "page.train": "Training",
        "page.basis": "Erwartet", "page.bits": "{bits} Bits je Byte",
        "status.pass": "gut", "status.warn": "beobachten", "status.fail": "schlecht", "status.info": "Hinweis",
        "status.cannot_tell": "offen",
        "page.is-expected": "{low} bis {high}", "page.at-most": "höchstens {high}", "page.at-least": "mindestens {low}",

        "expected.law":
            """
        Gesetz aus öffentlichen, zu Ende geführten Läufen bei {parameters} Parametern und {tokens} Tokens aus {dataset}, \
        {recipe} 
        """
            + "({costs} durch eigene Einstellungen); eine Standardabweichung {sigma}; {coverage} der gesunden Läufe enden darin",
        "expected.extrapolated":
            "das Gesetz, hochgerechnet auf {parameters} Parameter und {tokens} Tokens aus {dataset}, {recipe} "
            + "({costs} durch eigene Einstellungen); eine Standardabweichung {sigma}; {coverage} gesunder Läufe sollten darin enden",
        "expected.no-parameters":
            "die Zahl der Parameter ist unbekannt; --n-layer, --n-head und --n-embd oder --config DATEI nennen sie",
        "expected.no-tokens":
            "die Tokens je Schritt sind unbekannt; --config DATEI oder --batch-size und --gradient-accumulation-steps nennen sie",
        "expected.no-dataset":
            """
        für diesen Datensatz gibt es keinen Vergleich (für FineWeb, FineWeb-Edu und OpenWebText gibt es einen; --dataset \
        nennt ihn)
        """,
        "expected.characters":
            "für den Loss je Zeichen gibt es keinen Vergleich; vergleichen lassen sich Bits je Byte und die Form der Kurve",
        "expected.other-tokenizer":
            "der Vergleich zählt GPT-2-Tokens, dieser Lauf die von „{name}“; vergleichen lassen sich Bits je Byte",
        "expected.other-vocabulary":
            "der Vergleich zählt GPT-2-Tokens, und dieses Vokabular hat {size} Einträge; vergleichen lassen sich Bits je Byte",
        "expected.fine-tuned": "der Lauf begann mit „{start}“, daher sagt das Gesetz für Training von Grund auf nichts",
        "recipe.plain": "GPT-2s einfaches AdamW-Rezept", "recipe.tuned": "abgestimmtes AdamW",
        "recipe.muon": "ein neuerer Optimierer",
        "recipe.muon-modern": "moderne Architektur mit einem neueren Optimierer",
        "recipe.adamw-modern": "moderne Architektur mit AdamW",
        "recipe.unknown": "unbekanntes Rezept",

        "note.several-runs-last":
            "Die Datei enthält {count} Läufe; beurteilt ist der letzte (ab Zeile {line}, {steps} Schritte).",
        "note.several-runs":
            """
        Die Datei enthält {count} Läufe; beurteilt ist Nummer {index} (ab Zeile {line}, {steps} Schritte), der letzte, der \
        weit kam.
        """,
        "note.resumed": "Der Lauf wurde {count#einmal|mehrmals} fortgesetzt; wiederholte Schritte zählen einmal.",
        "note.fine-tuned": "Der Lauf begann mit vortrainierten Gewichten; Regeln für das Training von Grund auf gelten nicht.",
        "note.rate-changed":
            """
        Als Höchstwert der Lernrate ist {configured} eingestellt, protokolliert ist {logged}: Der Lauf wird nach dem \
        Protokoll beurteilt.
        """,
        "note.unreadable-rows": "{count#Eine Zeile war|Einige Zeilen waren} nicht lesbar und {count#blieb|blieben} weg.",
        "note.unreadable-lines": "{count#Eine Zeile|Einige Zeilen} der Messwerte {count#war|waren} nicht lesbar und fehlen.",
        "note.no-manifest":
            "{path} hat keine lesbare dataset.json, daher ist über die Daten nichts bekannt; {command} prüft sie.",
    ]
}

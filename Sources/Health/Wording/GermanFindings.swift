// SPDX-License-Identifier: MIT

extension Catalogue {
    /// What each rule found.
    static let germanFindings: [String: String] = [
        "loss-expected.pass": "Der Loss ist {loss}; zu erwarten sind {low} bis {high}.",
        "loss-expected.below": "Der Loss ist {loss}, besser als die zu erwartenden {low} bis {high}.",
        "loss-expected.high": "Der Loss ist {loss}, um {gap} über der Mitte der zu erwartenden {low} bis {high}.",
        "loss-expected.predicted-pass": "Die Kurve führt auf {loss}; zu erwarten sind {low} bis {high}.",
        "loss-expected.predicted-below": "Die Kurve führt auf {loss}, besser als die zu erwartenden {low} bis {high}.",
        "loss-expected.predicted-high":
            "Die Kurve führt auf {loss}, um {gap} über der Mitte der zu erwartenden {low} bis {high}.",
        "too-good.pass": "Der Loss liegt nicht unter {floor}, dem Besten, was zu erwarten ist.",
        "too-good.fail": "Ein Loss von {loss} ist unmöglich, wo {floor} das Beste ist, was zu erwarten ist.",
        "too-good.memorised":
            """
        Ein Trainings-Loss von {loss} bedeutet, dass der Text auswendig gelernt wurde oder derselbe Batch immer wieder \
        kommt.
        """,
        "documents.suspect":
            """
        Das Training ist stabil, beide Teile stimmen überein, und keine Einstellung erklärt {unexplained} Nats: Der Text \
        selbst ist der erste Verdacht.
        """,
        "documents.suspect-early":
            """
        Der Loss war schon bei Schritt {step} um {early} Nats zu hoch, gleichmäßig und in beiden Teilen: So sehen \
        Dokumente aus, die in kurze Stücke zerschnitten sind.
        """,
        "documents.single": "Der Text ist ein einziges Dokument.",
        "documents.lines":
            "Ein Dokument hat durchschnittlich {mean} Tokens: Es ist eine Zeile, kein Dokument, und {share} eines Kontexts.",
        "documents.short": "Ein Dokument hat durchschnittlich {mean} Tokens; üblich sind {low} oder mehr.",
        "documents.pass": "Ein Dokument hat durchschnittlich {mean} Tokens.",
        "vocabulary.pass": "{rows} Zeilen für {ids} Ids.",
        "vocabulary.large":
            """
        Das Vokabular des Modells hat {rows} Zeilen, die Daten benutzen {ids} Ids: {unused} der Zeilen kommen nie vor, als \
        wäre ein anderer Tokenizer gemeint.
        """,
        "vocabulary.small": "Das Vokabular des Modells hat {rows} Zeilen, die Daten haben {ids} Ids: Manchen fehlt die Zeile.",
        "duplicates.pass": "{share} der Dokumente kamen schon vor.",
        "duplicates.many":
            """
        {share} der Dokumente kamen schon vor: Jeder Text steht etwa {times} Mal in den Daten, ein Durchgang ist also so \
        viele.
        """,
        "train-val-gap.pass": "Validierungs- minus Trainings-Loss ist {gap}, innerhalb des Fehlers.",
        "train-val-gap.overfit":
            """
        Der Validierungs-Loss stieg seit Schritt {step} um {rise}, während der Trainings-Loss fiel: Das Modell lernt den \
        Text auswendig.
        """,
        "train-val-gap.leak":
            "Der Validierungs-Loss steht {gap} zum Trainings-Loss: Validierungstext kommt im Training vor oder ist leichter.",
        "train-val-gap.growing": "Der Abstand ist auf {gap} gewachsen: Das Modell beginnt, den Text auswendig zu lernen.",
        "train-val-gap.domain":
            "Der Abstand ist {gap} und war von Anfang an etwa so groß: Der Validierungstext ist von anderer Art.",
        "validation-power.pass": "Eine Auswertung liest {tokens} Tokens; ihr Standardfehler ist etwa {error} Nats.",
        "validation-power.pass-stated": "Der Standardfehler des Validierungs-Loss ist {error} Nats.",
        "validation-power.weak":
            """
        Eine Auswertung liest {tokens} Tokens; ihr Standardfehler ist etwa {error} Nats, Unterschiede unter {twice} \
        besagen also nichts.
        """,
        "validation-power.weak-stated":
            "Der Standardfehler des Validierungs-Loss ist {error} Nats, Unterschiede unter {twice} besagen also nichts.",
        "epochs.pass": "Der Text wurde {epochs}-mal gelesen.",
        "epochs.pass-cost": "Der Text wurde {epochs}-mal gelesen; das kostet {cost} Nats.",
        "epochs.pass-planned":
            """
        Der Text wurde {epochs}-mal gelesen, das kostet {cost} Nats; am geplanten Ende ist es {plannedEpochs}-mal, das \
        kostet {plannedCost}.
        """,
        "epochs.some": "Die {unique} Tokens wurden {epochs}-mal gelesen; sie sind so viel wert wie {worth} frische.",
        "epochs.many":
            """
        Die {unique} Tokens wurden {epochs}-mal gelesen; sie sind so viel wert wie {worth} frische, und weiteres Lesen \
        bringt fast nichts.
        """,
        "epochs.one-file":
            """
        Die Größe des Trainingsteils ist unbekannt; eine FineWeb-Datei enthält etwa 0,73 Mrd. GPT-2-Tokens, {tokens} davon \
        wären {epochs} Epochen. --data ORDNER sagt es.
        """,
        "tokens-per-parameter.few":
            "{ratio} Tokens je Parameter: Ein kleineres Modell wäre nach gleicher Rechenarbeit besser und schneller.",
        "tokens-per-parameter.below": "{ratio} Tokens je Parameter, etwas unter den 20, die die Rechenzeit am besten nutzen.",
        "tokens-per-parameter.many": "{ratio} Tokens je Parameter: Ein größeres Modell hätte von ebenso vielen Tokens mehr.",
        "tokens-per-parameter.pass": "{ratio} Tokens je Parameter.",
        "model-size.pass": "{size} Parameter, Köpfe der Breite {head}.",
        "model-size.other":
            """
        Das Modell hat {size} Parameter und Köpfe der Breite {head}: {layers} Schichten und {heads} Köpfe sind die des \
        {intended}-Modells, dessen n_embd {meant} ist, nicht {width}.
        """,
        "learning-rate.pass": "{rate} liegt im üblichen Bereich.",
        "learning-rate.pass-low": "{rate} ist vorsichtig; üblich sind {low} bis {high}.",
        "learning-rate.low":
            "{rate} ist wenig für die Breite {width}; üblich sind {low} bis {high}, was {gainLow} bis {gainHigh} Nats brächte.",
        "learning-rate.low-size":
            "{rate} ist wenig für diese Größe; üblich sind {low} bis {high}, was {gainLow} bis {gainHigh} Nats brächte.",
        "learning-rate.high": "{rate} liegt weit über den üblichen {low} bis {high}: Das Training steht am Rand der Divergenz.",
        "learning-rate.other":
            "Die Lernraten von {name} haben keinen gemeinsamen Maßstab, daher lässt sich diese nicht beurteilen.",
        "batch-size.pass": "{batch} Tokens je Schritt.",
        "batch-size.large":
            """
        {batch} Tokens je Schritt; etwa {good} sind am besten. Die Hälfte täte es bei doppelt so vielen Schritten und \
        brächte etwa {cost} Nats.
        """,
        "batch-size.small": "{batch} Tokens je Schritt; etwa {good} sind am besten.",
        "schedule-end.pass": "Das Absenken endet mit dem Lauf, bei Schritt {decay}.",
        "schedule-end.constant": "Die Lernrate sinkt nie: Ein Absenken am Ende brächte 0,07 bis 0,16 Nats.",
        "schedule-end.late":
            """
        Das Absenken ist bis Schritt {decay} geplant, der Lauf endet aber bei {total}: Die Lernrate fällt nur auf {share} \
        ihres Höchstwerts.
        """,
        "schedule-end.late-warmup":
            """
        Das Absenken ist bis Schritt {decay} geplant, der Lauf endet bei {total}, noch im Aufwärmen von {warmup} Schritten: \
        Die Lernrate sinkt nie.
        """,
        "schedule-end.all-warmup":
            "Der Lauf endet bei Schritt {total}, noch im Aufwärmen von {warmup} Schritten: Es gibt kein Absenken.",
        "schedule-end.early":
            "Das Absenken endet bei Schritt {decay} von {total}: Die letzten {wasted} des Laufs bewegen das Modell wenig.",
        "schedule-end.under-way": "Die Aufzeichnung endet bei Schritt {last} von {total}.",
        "schedule-end.stopped": "Der Lauf brach bei Schritt {last} von {total} ab, die Lernrate bei {share} ihres Höchstwerts.",
        "schedule-end.failed":
            "Der Lauf brach bei Schritt {last} von {total} ab, die Lernrate bei {share} ihres Höchstwerts: {why}",
        "final-rate.pass": "Die Lernrate endete bei {share} ihres Höchstwerts.",
        "final-rate.high": "Die Lernrate endete bei {share} ihres Höchstwerts: Ein Absenken brächte 0,07 bis 0,16 Nats.",
        "final-rate.rising":
            "Die Lernrate war auf {share} ihres Höchstwerts gestiegen, als der Lauf im Aufwärmen endete.",
        "final-rate.under-way": "Die Lernrate steht bei {share} ihres Höchstwerts.",
        "warmup.pass": "{steps} Schritte.",
        "warmup.none": "{steps#Ein Schritt|% Schritte} Aufwärmen vor der vollen Lernrate: Adams erste Schritte sind blind.",
        "warmup.outlasts":
            "Das Aufwärmen von {steps} Schritten ist länger als der Lauf von {total}: Die Lernrate erreicht ihren Höchstwert nie.",
        "warmup.long": "Das Aufwärmen nimmt {share} des Laufs ein.",
        "init-loss.pass": "{loss}; ln {vocabulary} ist {expected}.",
        "init-loss.modern":
            "{loss}, über ln {vocabulary} = {expected}, wie es Rezepte mit anderer Initialisierung der Ausgabeschicht haben.",
        "init-loss.low":
            """
        {loss} liegt unter ln {vocabulary} = {expected}: Das Vokabular ist nicht das der Konfiguration, oder das Modell \
        ist nicht neu.
        """,
        "init-loss.high":
            """
        {loss} liegt über ln {vocabulary} = {expected}: Die Initialisierung ist nicht die von GPT-2, oder das Vokabular \
        ist ein anderes.
        """,
        "unigram.pass": "{loss} bei Schritt {step}, unter den {floor} der Tokenhäufigkeiten.",
        "unigram.never": "Der Loss von {end} ist nicht besser als die {floor}, die schon die Tokenhäufigkeiten ergeben.",
        "unigram.late": "Erst bei Schritt {step} waren die {floor} der Tokenhäufigkeiten unterboten.",
        "non-finite.pass": "Alle Losses und Normen sind Zahlen.",
        "non-finite.skipped": "{count#Ein Update wurde|% Updates wurden} übersprungen, weil ein Wert nicht endlich war.",
        "non-finite.skipped-most":
            "{count} von {all} Updates wurden ausgelassen, weil ein Wert nicht endlich war: Die Gewichte bewegen sich nicht mehr.",
        "non-finite.some": "{count#Ein Wert ist|% Werte sind} nicht endlich, der erste bei Schritt {step}; der Lauf ging weiter.",
        "non-finite.ended": "Ab Schritt {step} ist der Loss keine Zahl mehr; der letzte gute Schritt ist {good}.",
        "divergence.pass": "Der Loss endete höchstens {rise} über seinem niedrigsten Wert.",
        "divergence.fail": "Der Loss stieg um {rise}, von {best} bei Schritt {step}, und endete bei {end}.",
        "spikes.none": "Kein Ausreißer.",
        "spikes.recovered": "{count#Ein Ausreißer|% Ausreißer}, aufgeholt.",
        "spikes.open": "Ein Ausreißer von {height} Nats bei Schritt {step} wurde nicht aufgeholt.",
        "spikes.many": "{count} Ausreißer, alle aufgeholt; der größte von {height} Nats bei Schritt {step}.",
        "grad-norm.pass": "{end} am Ende, {middle} in der Mitte.",
        "grad-norm.grows": "Sie wuchs von {middle} auf {end}, auf das {ratio}-Fache.",
        "grad-norm.vanished": "Sie fiel auf {end}: Es wird nichts mehr gelernt.",
        "clip-rate.pass": "{share} der Gradienten werden um ein Drittel oder mehr auf {clip} gekürzt.",
        "clip-rate.often":
            """
        {share} der Gradienten werden um ein Drittel oder mehr auf {clip} gekürzt: Die Begrenzung, nicht der Gradient, \
        bestimmt den Schritt.
        """,
        "resume-seams.none": "Der Lauf wurde nicht fortgesetzt.",
        "resume-seams.pass": "{count#Eine Fortsetzung|% Fortsetzungen}; der Loss ging auf seiner Höhe weiter.",
        "resume-seams.jump": "Nach der Fortsetzung bei Schritt {step} stand der Loss {jump} Nats zur Höhe davor.",
        "interruptions.pass": "Keine im Protokoll.",
        "interruptions.some": "{count#Ein Absturz|% Abstürze}; der letzte: {last}",
        "interruptions.rollback":
            "Der Lauf ging von selbst auf einen Checkpoint zurück, {count#einmal|%-mal}; zuletzt: {last}",
        "own-warnings.pass": "Der Lauf hatte nichts anzumerken.",
        "own-warnings.some": "{count#Eine Warnung|% Warnungen}; die letzte, bei Schritt {step}: {last}",
        "interruptions.memory": "Dem Gerät ging nach Schritt {step} der Speicher aus: {last}",
        "samples.pass": "{share} der Folgen von vier Wörtern wiederholen sich.",
        "samples.loops": "{share} der Folgen von vier Wörtern wiederholen sich: Die Texte drehen sich im Kreis.",
        "mfu.good": "{tflops} TFLOP/s sind {share} der {peak} von {device}: gut genutzt.",
        "mfu.fair": "{tflops} TFLOP/s sind {share} der {peak} von {device}.",
        "mfu.low": "{tflops} TFLOP/s sind {share} der {peak} von {device}: Das meiste liegt brach.",
        "mfu.good-restated":
            """
        Die ausgegebenen {printed} beziehen sich auf {printedName} ({printedPeak} TFLOP/s); bei {device} ({peak}) sind es \
        {share}: gut genutzt.
        """,
        "mfu.fair-restated":
            """
        Die ausgegebenen {printed} beziehen sich auf {printedName} ({printedPeak} TFLOP/s); bei {device} ({peak}) sind es \
        {share}.
        """,
        "mfu.low-restated":
            """
        Die ausgegebenen {printed} beziehen sich auf {printedName} ({printedPeak} TFLOP/s); bei {device} ({peak}) sind es \
        {share}: Das meiste liegt brach.
        """,
        "mfu.no-device": "{tflops} TFLOP/s; von welchem Gerät, ist unbekannt (--device \"NAME\" sagt es).",
        "mfu.no-device-printed":
            """
        Die ausgegebenen {printed} beziehen sich auf die {printedPeak} TFLOP/s von {printedName}, gleich auf welcher \
        Karte: {tflops} TFLOP/s. --device "NAME" vergleicht mit der eigenen.
        """,
        "mfu.ceiling": "{tflops} TFLOP/s sind {share} der Matrixleistung, die der Lauf auf dieser Maschine gemessen hat.",
        "mfu.ceiling-busy":
            """
        {tflops} TFLOP/s sind {share} der Matrixleistung, die der Lauf auf dieser Maschine gemessen hat: Sie war bei der \
        Messung beschäftigt.
        """,
        "mfu.own": "Der Lauf meldet {share} des Höchstwerts seines Geräts.",
        "mfu.impossible":
            "{tflops} TFLOP/s sind mehr, als {device} kann ({peak}): Es arbeiteten mehrere Geräte, oder es ist ein anderes.",
        "step-time.pass": "Median {median} ms, 95. Perzentil {p95} ms.",
        "step-time.uneven": "Median {median} ms, aber einer von zwanzig Schritten dauert {p95} ms oder länger.",
        "data-stalls.pass": "{share} der Zeit.",
        "data-stalls.short": "{share} der Zeit, aber zusammen nur {ms} ms: zu wenig, um etwas auszumachen.",
        "data-stalls.waits": "Updates warten {share} der Zeit auf Daten.",
        "throughput-drift.pass": "Das Tempo hielt.",
        "throughput-drift.slower":
            "Die Schritte wurden um {drift} langsamer: Hitze, ein anderes Programm oder ein sich füllender Speicher.",
        "eval-time.pass": "{share} der Zeit.",
        "eval-time.much": "Auswertungen brauchen {share} der Zeit.",
        "memory.pass": "{used} von {total} ({share}).",
        "memory.room": "{used} von {total} ({share}): Ein größerer Mikro-Batch hätte Platz.",
        "memory.tight": "{used} von {total} ({share}): Der nächstgrößere Tensor bringt den Lauf zu Fall.",
    ]

    /// What to do about it.
    static let germanAdvice: [String: String] = [
        "too-good.advice":
            """
        Sehen Sie einen Batch an: Die Ziele müssen die um eins verschobenen Eingaben sein, in jedem Schritt aus anderem \
        Text.
        """,
        "documents.advice-audit":
            "Sehen Sie die Daten an, bevor Sie neu trainieren: {command} misst die Tokens zwischen den Textende-Tokens.",
        "documents.advice-prepare":
            "Bereiten Sie die Daten neu aus ganzen Dokumenten auf, mit einem Textende nach jedem, und trainieren Sie neu.",
        "vocabulary.advice": "Setzen Sie {line}, oder bereiten Sie die Daten mit dem gemeinten Tokenizer auf.",
        "duplicates.advice": "Entfernen Sie die Kopien, und bereiten Sie die Daten neu auf.",
        "train-val-gap.advice-overfit":
            "Nehmen Sie den Checkpoint von Schritt {step}; verwenden Sie mehr Text, weniger Schritte oder Dropout.",
        "train-val-gap.advice-leak": "Suchen Sie im Trainingstext nach Dokumenten der Validierung.",
        "train-val-gap.advice-growing": "Verwenden Sie mehr Text oder weniger Schritte.",
        "train-val-gap.advice-domain":
            "Ziehen Sie die Dokumente der Validierung zufällig aus derselben Quelle wie den Trainingstext.",
        "validation-power.advice": "Werten Sie mehr Tokens aus: Eine Million bringt den Fehler unter 0,01 Nats.",
        "epochs.advice": "Beschaffen Sie mehr Text, bevor Sie länger trainieren.",
        "tokens-per-parameter.advice-few": "Trainieren Sie auf {twenty} Tokens, oder nehmen Sie ein kleineres Modell.",
        "model-size.advice":
            """
        War {intended} gemeint, setzen Sie {line}. War diese Größe gemeint, gibt {keep} ihr die üblichen Köpfe der Breite \
        64.
        """,
        "learning-rate.advice-low": "Setzen Sie {line} und min_lr auf ein Zehntel davon.",
        "learning-rate.advice-high": "Setzen Sie {line}.",
        "batch-size.advice-large": "Verwenden Sie {half} Tokens je Schritt und doppelt so viele Schritte.",
        "schedule-end.advice-constant": "Lassen Sie die Lernrate bis zum Ende auf ein Zehntel oder weniger sinken.",
        "schedule-end.advice-late": "Setzen Sie {line}, damit das Absenken mit dem Lauf endet.",
        "schedule-end.advice-early": "Setzen Sie {line}, oder beenden Sie den Lauf, wo das Absenken endet.",
        "schedule-end.advice-stopped": "Setzen Sie den Lauf vom letzten Checkpoint aus fort.",
        "schedule-end.advice-failed":
            "Beheben Sie, woran er abbrach, und setzen Sie den Lauf dann vom letzten Checkpoint aus fort.",
        "final-rate.advice":
            """
        Trainieren Sie vom letzten Checkpoint aus weiter, mit einer Lernrate, die über ein Fünftel der Schritte auf nichts \
        sinkt.
        """,
        "warmup.advice-none": "Setzen Sie {suggestion}.",
        "warmup.advice-outlasts": "Setzen Sie {suggestion}, damit die Lernrate ihren Höchstwert im Lauf erreicht.",
        "warmup.advice-long": "Setzen Sie {suggestion}.",
        "init-loss.advice-low":
            """
        Vergleichen Sie vocab_size mit dem Tokenizer, der die Daten erzeugt hat; etwa {implied} Einträge würden den Loss \
        erklären.
        """,
        "init-loss.advice-high": "Vergleichen Sie Initialisierung und vocab_size mit dem Modell, das gemeint war.",
        "unigram.advice": "Prüfen Sie, ob Eingaben und Ziele zusammengehören; versuchen Sie dann ein Zehntel der Lernrate.",
        "non-finite.advice":
            """
        Kehren Sie zum letzten guten Checkpoint zurück, und halbieren Sie die Lernrate oder verlängern Sie das Aufwärmen.
        """,
        "non-finite.advice-dtype":
            """
        Kehren Sie zum letzten guten Checkpoint zurück, und halbieren Sie die Lernrate oder verlängern Sie das Aufwärmen; \
        trainiert er in float16, verwenden Sie bfloat16.
        """,
        "non-finite.advice-fp16":
            "Verwenden Sie bfloat16, das nicht überläuft; mit float16 muss die Skalierung des Loss eingeschaltet bleiben.",
        "divergence.advice":
            """
        Kehren Sie zu einem Checkpoint vor dem Anstieg zurück und trainieren Sie mit einem Drittel der Lernrate, längerem \
        Aufwärmen und grad_clip 1.0 weiter.
        """,
        "spikes.advice":
            """
        Beginnen Sie von einem Checkpoint vor Schritt {before} aus neu und lassen Sie die nächsten paar Hundert Batches \
        aus (so half sich PaLM).
        """,
        "spikes.advice-many": "Senken Sie die Lernrate etwas oder beta2 auf 0.95.",
        "grad-norm.advice-grows":
            """
        Behalten Sie sie im Auge: Senken Sie die Lernrate, oder prüfen Sie weight_decay und grad_clip, bevor der Lauf \
        divergiert.
        """,
        "grad-norm.advice-vanished": "Prüfen Sie Ziele, Loss und Datentyp: Ein Gradient von null lehrt nichts.",
        "clip-rate.advice": "Senken Sie die Lernrate, oder heben Sie grad_clip an.",
        "resume-seams.advice":
            """
        Stellen Sie Optimierer, Lernratenplan und Datenposition zusammen mit den Gewichten wieder her, und setzen Sie vom \
        Checkpoint davor aus erneut auf.
        """,
        "interruptions.advice-memory": "Verwenden Sie einen kleineren Mikro-Batch und mehr Akkumulationsschritte.",
        "samples.advice":
            """
        Erzeugen Sie Proben mit Temperatur 0,8 und top-k 200; bleibt es dabei, trainieren Sie länger, oder suchen Sie in \
        den Daten nach Wiederholungen.
        """,
        "mfu.advice-low":
            "Verwenden Sie bfloat16 und einen größeren Mikro-Batch, und prüfen Sie, dass nichts anderes das Gerät benutzt.",
        "mfu.advice-impossible": "Nennen Sie das Gerät und wie viele es waren.",
        "step-time.advice":
            "Suchen Sie nach anderen Programmen auf dem Rechner, langsamem Speicherplatz oder Protokollzeilen bei jedem Schritt.",
        "data-stalls.advice": "Legen Sie die Daten auf ein schnelleres Laufwerk, oder lassen Sie den Lader vorauslesen.",
        "throughput-drift.advice": "Prüfen Sie Temperatur und Leistungsgrenze des Geräts und andere Programme.",
        "eval-time.advice": "Werten Sie halb so oft aus oder auf weniger Tokens.",
        "memory.advice-tight": "Senken Sie den Mikro-Batch um eine Stufe.",
        "memory.advice-room": "Verdoppeln Sie den Mikro-Batch und halbieren Sie die Akkumulation.",
    ]
}

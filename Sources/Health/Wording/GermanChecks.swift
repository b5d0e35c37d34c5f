// SPDX-License-Identifier: MIT

extension Catalogue {
    /// The names of the checks and their rules in a sentence.
    static let germanChecks: [String: String] = [
        "check.loss-expected": "Loss gegen Erwartung",
        "rule.loss-expected":
            "Der letzte Validierungs-Loss liegt im Band öffentlicher Läufe dieser Größe, Tokenzahl, Daten und Rezeptur.",
        "check.too-good": "Loss unter dem Möglichen",
        "rule.too-good": "Ein Loss weit unter dem besten bekannten bedeutet, dass die Antworten in den Eingaben stecken.",
        "check.documents": "ganze Dokumente",
        "rule.documents": "Trainingstext besteht aus ganzen Dokumenten, damit der Kontext vor einem Token zu ihm gehört.",
        "check.vocabulary": "Vokabular",
        "rule.vocabulary": "Das Vokabular hat so viele Zeilen wie der Tokenizer Ids, um höchstens ein Zehntel aufgefüllt.",
        "check.duplicates": "Kopien im Text",
        "rule.duplicates": "Höchstens ein Zehntel der Dokumente sind Kopien anderer.",
        "check.train-val-gap": "Abstand der beiden Teile",
        "rule.train-val-gap":
            """
        Trainings- und Validierungs-Loss stimmen bis auf wenige Standardfehler überein; ein wachsender Abstand ist \
        Auswendiglernen, ein fester fremder Text.
        """,
        "check.validation-power": "Größe des Validierungsteils",
        "rule.validation-power": "Der Standardfehler des Validierungs-Loss ist höchstens 0,02 Nats.",
        "check.epochs": "wiederholter Text",
        "rule.epochs": "Bis zu viermal gelesener Text ist so gut wie neuer; über sechzehnmal hinaus bringt er fast nichts.",
        "check.tokens-per-parameter": "Tokens je Parameter",
        "rule.tokens-per-parameter":
            "20 Tokens je Parameter nutzen die Rechenzeit am besten; kleine Modelle gewinnen bis zu einigen Hundert.",
        "check.model-size": "die gemeinte Größe",
        "rule.model-size": "Schichten, Köpfe und Breite gehören zum selben Modell; GPT-2s Köpfe sind 64 breit.",
        "check.learning-rate": "Lernrate",
        "rule.learning-rate":
            "Die größte Lernrate liegt zwischen der Hälfte und dem Ganzen dessen, was für Größe und Tokens am besten ist.",
        "check.batch-size": "Batchgröße",
        "rule.batch-size": "Ein Schritt hat höchstens einige Male so viele Tokens, wie sich auf einmal lohnen.",
        "check.schedule-end": "Ende des Absenkens", "rule.schedule-end": "Das Absenken der Lernrate und der Lauf enden zusammen.",
        "check.final-rate": "letzte Lernrate",
        "rule.final-rate": "Die Lernrate endet bei einem Zehntel ihres Höchstwerts oder weniger.",
        "check.warmup": "Aufwärmen",
        "rule.warmup": "Das Aufwärmen dauert einige Hundert Schritte und höchstens ein Zehntel des Laufs.",
        "check.init-loss": "Loss zu Beginn",
        "rule.init-loss":
            "Vor dem ersten Update ist der Loss ln V, wenn wie bei GPT-2 initialisiert wird; andere Rezepte beginnen höher.",
        "check.unigram": "besser als Tokenhäufigkeiten",
        "rule.unigram": "Am Ende des Aufwärmens liegt der Loss unter der Entropie der Tokenhäufigkeiten.",
        "check.non-finite": "alle Werte sind Zahlen",
        "rule.non-finite": "Kein Loss und keine Gradientennorm ist NaN oder unendlich.",
        "check.divergence": "keine Divergenz", "rule.divergence": "Der geglättete Loss endet nahe seinem niedrigsten Wert.",
        "check.spikes": "Ausreißer",
        "rule.spikes": "Plötzliche Anstiege des Loss sind selten und nach einigen Hundert Schritten aufgeholt.",
        "check.grad-norm": "Gradientennorm", "rule.grad-norm": "Die Gradientennorm wächst in der zweiten Hälfte des Laufs nicht.",
        "check.clip-rate": "Begrenzung der Gradienten",
        "rule.clip-rate": "Nach dem Aufwärmen wird weniger als die Hälfte der Gradienten um ein Drittel oder mehr gekürzt.",
        "check.resume-seams": "Fortsetzungen",
        "rule.resume-seams": "Nach einer Fortsetzung geht der Loss auf der Höhe davor weiter.",
        "check.interruptions": "Unterbrechungen", "rule.interruptions": "Das Protokoll zeigt keinen Absturz.",
        "check.own-warnings": "Eigene Warnungen des Laufs",
        "rule.own-warnings": "Platte, Speicher, Daten und Schrittzeiten gaben dem Lauf keinen Anlass zu warnen.",
        "check.samples": "Textproben", "rule.samples": "Die Texte des Modells drehen sich nicht im Kreis.",
        "check.mfu": "Auslastung des Geräts (MFU)",
        "rule.mfu": "Der Lauf erreicht 30 % oder mehr der dichten Matrixleistung des Geräts.",
        "check.step-time": "gleichmäßige Schritte",
        "rule.step-time": "19 von 20 Schritten dauern höchstens eineinhalbmal so lange wie der mittlere.",
        "check.data-stalls": "Warten auf Daten", "rule.data-stalls": "Updates warten weniger als 5 % der Zeit auf Daten.",
        "check.throughput-drift": "stetiges Tempo", "rule.throughput-drift": "Der Lauf wird um nicht mehr als 7 % langsamer.",
        "check.eval-time": "Zeit in Auswertungen", "rule.eval-time": "Auswertungen brauchen höchstens ein Zehntel der Zeit.",
        "check.memory": "Speicher", "rule.memory": "Etwas vom Speicher des Geräts bleibt frei.",
    ]

    /// What a rule lacks.
    static let germanNeeds: [String: String] = [
        "need.end-of-run":
            """
        Der Lauf ist unterwegs und sein Plan unbekannt, daher lässt sich sein Ende nicht vorhersagen; --max-iters und \
        --lr-decay-iters nennen ihn.
        """,
        "need.loss": "Die Aufzeichnung enthält keinen endlichen Loss.",
        "need.reference": "Zu diesem Datensatz und Tokenizer passt kein Vergleich.",
        "need.audit": "Über die Dokumente ist nichts bekannt; {command} sieht sie sich an.",
        "need.tokenizer-size": "Wie viele Ids der Tokenizer hat, ist unbekannt; --data ORDNER sagt es.",
        "need.both-losses": "Dafür braucht es Trainings- und Validierungs-Loss derselben Schritte.",
        "need.validation": "Die Aufzeichnung enthält keinen Validierungs-Loss.",
        "need.eval-size":
            "Wie viele Tokens eine Auswertung liest, ist unbekannt; --config DATEI oder --eval-iters und --batch-size sagen es.",
        "need.tokens": "Die Tokens je Schritt sind unbekannt; --config DATEI sagt es.",
        "need.train-tokens": "Die Größe des Trainingsteils ist unbekannt; --data ORDNER sagt es.",
        "need.parameters": "Die Zahl der Parameter ist unbekannt; --config DATEI oder --n-layer, --n-head und --n-embd sagen es.",
        "need.shape": "Schichten, Köpfe und Breite sind unbekannt; --config DATEI sagt es.",
        "need.learning-rate": "Die Lernrate ist unbekannt; --config DATEI oder --learning-rate sagt es.",
        "need.batch": "Der Batch ist unbekannt; --config DATEI sagt es.",
        "need.schedule":
            "Der Lernratenplan ist unbekannt; --config DATEI oder --max-iters, --lr-decay-iters und --warmup-iters sagen es.",
        "need.warmup": "Die Länge des Aufwärmens ist unbekannt; --config DATEI oder --warmup-iters sagt es.",
        "need.scratch": "Der Lauf begann nicht von Grund auf.",
        "need.first-loss": "Der Loss vor dem ersten Update wurde nicht aufgezeichnet.",
        "need.vocabulary": "Die Größe des Vokabulars ist unbekannt; --vocab-size sagt sie.",
        "need.unigram": "Die Entropie der Tokenhäufigkeiten ist unbekannt; --data ORDNER sagt es.",
        "need.warmup-end": "Das lässt sich ab Schritt {step} sagen: nach dem Aufwärmen und nicht vor 300 Schritten.",
        "need.more-points": "Die Aufzeichnung hat zu wenige Punkte.",
        "need.grad-norm": "Gradientennormen wurden nicht aufgezeichnet.",
        "need.few-grad-norms":
            "{count#Eine Gradientennorm wurde|% Gradientennormen wurden} nach dem Aufwärmen aufgezeichnet: zu wenige, es braucht 40.",
        "need.clip": "Die Begrenzung ist unbekannt, oder Gradienten wurden nicht begrenzt.",
        "need.seam-points": "Um die Fortsetzung herum gibt es zu wenige Punkte.",
        "need.samples": "Die Aufzeichnung enthält keine Textproben.",
        "need.speed": "Schrittzeiten wurden nicht aufgezeichnet.",
        "need.step-times": "Zu wenige Schrittzeiten wurden aufgezeichnet.",
        "need.own-warnings": "Das Programm, das diesen Lauf schrieb, warnt nicht von sich aus.",
        "need.data-times": "Das Warten auf Daten wurde nicht gemessen.",
        "need.eval-times": "Die Dauer der Auswertungen wurde nicht gemessen.",
        "need.memory": "Der Speicher wurde nicht aufgezeichnet.",
        "need.card-memory": "Wie viel vom Speicher der Karte der Lauf braucht, wurde nicht aufgezeichnet.",
        "need.host-memory": "Das Programm belegte {used}; wie viel der Rechner hat, wurde nicht aufgezeichnet.",
        "need.device": "Das Gerät ist unbekannt; --device \"NAME\" nennt es.",
    ]
}

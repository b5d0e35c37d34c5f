// SPDX-License-Identifier: MIT

/// The rules that all plots share. `StoryGrammar` explains the notation.
enum StoryRules {
    static let rules: [String: [String]] = [
        "opening": [
            "once upon a time there was a <kindchild> {child} [called|named] {hero}. <home> <habit>",
            "{hero} was a <kindchild> {child} who lived in {village}. <habit>",
            "in {village} lived a {child} [called|named] {hero}. <habit> <weather>",
            "{day}, {hero} <woke>. <weather>",
            "{hero} and {friend} were [best friends|neighbors|good friends]. <together> <weather>",
            "there once was a {child} whose name was {hero}. <home> <habit>",
            "<weather> {hero} <woke> and looked out of the window.",
            """
            long ago, when [winters were colder|the mill still turned|there were no trains], a {child} named {hero} lived \
            in {village}. <habit>
            """,
            "every [morning|day|evening] {hero} went {to} with {his} {elder}. <weather>",
        ],
        "when": [
            "one day", "that day", "the next morning", "a few days later", "not long after", "in the afternoon", "the day after",
            "soon after that",
            "before breakfast", "after school", "around noon", "when nobody was looking",
        ],
        "kindchild": [
            "kind", "curious", "brave", "quiet", "cheerful", "little", "clever", "shy", "[very |]busy", "patient", "merry",
            "thoughtful",
        ],
        "home": [
            "{He} lived with {his} {elder} in {village}.", "{His} home was {village}, not far from {place2}.",
            "{He} and {his} {elder} lived in {village}.", "Everybody [in the street |]knew {him}.", "",
        ],
        "habit": [
            "{He} loved to [sing|read|draw|run|climb trees|tell jokes|count the stars|ask questions].",
            "{He} had {atoy} and played with it every day.", "{He} always wore {acloth}.",
            "Most of all {he} liked [going|to go] {to2}.",
            "{He} was never without {his} {animal}, {aanimal} with a [long|short|soft|funny] tail.",
            "{His} best friend was {friend}.", "In {his} pocket {he} always carried {atreasure}.", "",
        ],
        "together": [
            "They did everything together.", "They met every day {at2}.", "{hero} was loud and {friend} was quiet.",
            "{friend} lived next door, and {fhis} window was right across from {his}.",
            "They had known each other since they were babies.",
        ],
        "woke": [
            "woke up early", "got up [before anyone else|late]", "jumped out of bed", "opened {his} eyes", "put on {his} {cloth}",
            "had a [strange |nice |]dream and woke up",
        ],
        "weather": [
            "The sun was shining.", "It was raining[ hard| softly|].", "Snow lay on the roofs.",
            "The wind was strong[ and cold|].",
            "It was [warm|hot|cool] and the sky was [blue|clear|full of small clouds].", "A thick fog hid the houses.",
            "The leaves were [red and yellow|falling].", "Everything smelled of [rain|flowers|fresh bread|hay].",
            "Far away there was thunder.", "The first star was in the sky.", "Birds were singing in the trees.", "",
        ],
        "glad": ["happy", "glad", "very happy", "proud", "full of joy", "so happy", "pleased", "delighted"],
        "sad": ["sad", "very sad", "unhappy", "upset", "sorry", "close to tears"],
        "afraid": ["afraid", "scared", "a little afraid", "frightened", "worried"],
        "smiled": ["smiled", "laughed", "nodded", "grinned", "clapped {his} hands", "jumped for joy"],
        "cry": [
            "{He} sat down and cried.", "Tears ran down {his} face.", "{He} felt <sad>.", "{He} did not know what to do.",
            "{He} wanted to go home.", "{He} was <sad>, but {he} did not give up.",
        ],
        "look": [
            "{He} looked under the [table|bed|bench], behind the [door|stove|trees] and [in every corner|even on the roof].",
            "{He} looked everywhere {at}, but [found nothing|it was not there].", "{He} searched all [day|morning|afternoon].",
            "First {he} looked {at}. Then {he} looked {at2}.",
        ],
        "thanks": [
            "\"Thank you[ so much|, {friend}|]!\" said {hero}.", "\"Oh, thank you!\" cried {hero}.",
            "{hero} thanked {fhim} [again and again|with all {his} heart|and gave {fhim} a hug].",
            "\"I will never forget this,\" said {hero}.",
        ],
        "help": [
            "\"Do not worry,\" said {friend}. \"I will help you.\"", "\"Let us do it together,\" said {friend}.",
            "\"Two can do more than one,\" said {friend}.", "\"I have an idea,\" said {friend}.",
            "\"Wait for me!\" called {friend}. \"I am coming with you.\"",
            "{friend} took {him} by the hand. \"We can do it,\" {fhe} said.",
        ],
        "asked": [
            "\"What is wrong?\" asked {friend}.", "\"Why are you so quiet today?\" asked {friend}.",
            "\"Can I help you?\" asked {friend}.",
            "Then {friend} came by and saw {his} face. \"What happened?\" {fhe} asked.",
            "{friend} sat down next to {him} and waited.",
        ],
        "advice": [
            "\"Take your time,\" said {his} {elder}. \"Good things are slow.\"",
            "\"Think first, then [act|jump],\" said {his} {elder}.",
            "\"If you fall, get up again,\" {his} {elder} always said.",
            "\"Nobody can do everything alone,\" said {his} {elder}.",
            "{His} {elder} <elderdid>. \"Try once more,\" {ehe} said.",
            "\"A kind word costs nothing,\" said {his} {elder}.",
        ],
        "elderdid": [
            "smiled", "put down {ehis} book", "took {ehis} glasses off", "thought for a while", "looked at {him} kindly",
        ],
        "home again": [
            "Then they went home and [ate|shared] {afood}.", "That evening {hero} told {his} {elder} everything.",
            "When {hero} came home, {his} {elder} was waiting at the door.",
            "They walked home slowly[ and sang all the way|, hand in hand|].",
            "At home there was {afood} for everyone.", "It was already dark when {hero} got home.",
        ],
        "end": [
            "{hero} was <glad>.", "And {hero} went to bed <glad>.",
            "From that day on, {hero} and {friend} were [best friends|never apart].",
            "{hero} slept well that night.", "{hero} never forgot that day.", "Everyone was <glad>.",
            "And so it has been ever since.",
            "{hero} and {friend} still laugh about it today.", "That night {hero} dreamed of {place}.",
        ],
        "moral": [
            "A friend in need is a friend indeed.", "It is good to share.", "Small hands can do big things.",
            "Who asks will find the way.",
            "Be kind, and others will be kind to you.", "The truth is always the shortest way.", "Patience brings sweet fruit.",
            "Even the smallest can help the biggest.", "Courage does not mean that you are never afraid.",
            "What you give away comes back to you.", "Look twice before you are angry.", "Together everything is easier.",
            "If you make a mistake, say so.", "Things we make ourselves are worth more than things we buy.",
        ],
    ]
}

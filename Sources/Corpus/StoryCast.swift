// SPDX-License-Identifier: MIT

/// Somebody in a story: what they are called, and their pronouns.
struct StoryPerson {
    let name: String
    let isFemale: Bool
    var he: String { isFemale ? "she" : "he" }
    var him: String { isFemale ? "her" : "him" }
    var his: String { isFemale ? "her" : "his" }
}

/// Everything that stays the same through one story, by the name under which plots use it.
struct StoryCast {
    private(set) var slots: [String: [UInt8]] = [:]

    init(_ random: inout StoryRandom) {
        let hero = Self.child(&random)
        var friend = Self.child(&random)
        while friend.name == hero.name { friend = Self.child(&random) }
        add(hero, prefix: "", role: "hero")
        add(friend, prefix: "f", role: "friend")
        add(Self.person(StoryWords.elders, &random), prefix: "e", role: "elder")
        add(Self.person(StoryWords.villagers, &random), prefix: "w", role: "worker")
        // Without the article, for "the {worker2}".
        let passerBy = Self.person(StoryWords.villagers, &random)
        set("worker2", String(passerBy.name.dropFirst(4)))
        set("w2his", passerBy.his)
        set("animal", random.pick(StoryWords.animals))
        set("animaladj", random.pick(StoryWords.animalAdjectives))
        for (slot, nouns, adjectives) in [
            ("toy", StoryWords.toys, StoryWords.colours), ("food", StoryWords.foods, StoryWords.tastes),
            ("tool", StoryWords.tools, StoryWords.qualities), ("treasure", StoryWords.treasures, StoryWords.shines),
            ("cloth", StoryWords.clothes, StoryWords.colours),
        ] {
            let noun = random.pick(nouns), adjective = random.pick(adjectives)
            set(slot, noun)
            set(slot + "adj", adjective)
            set("a" + slot, "a \(adjective) \(noun)")
        }
        set("aanimal", "a \(text("animaladj")) \(text("animal"))")
        let first = random.below(StoryWords.places.count)
        let second = (first + 1 + random.below(StoryWords.places.count - 1)) % StoryWords.places.count
        for (suffix, index) in [("", first), ("2", second)] {
            let place = StoryWords.places[index]
            set("place" + suffix, place.name)
            set("at" + suffix, place.at)
            set("to" + suffix, place.to)
        }
        set("day", random.pick(StoryWords.days))
        set("number", random.pick(StoryWords.numbers))
        set("job", random.pick(StoryWords.jobs))
        set("village", random.pick(StoryWords.villages))
    }

    private mutating func set(_ slot: String, _ text: String) { slots[slot] = Array(text.utf8) }

    private func text(_ slot: String) -> String { String(decoding: slots[slot] ?? [], as: UTF8.self) }

    /// A person's slots: `hero`, `he`, `He`, `him`, `his`, `His`; for others with a letter in front: `fhe`, `fHe`, ...
    private mutating func add(_ person: StoryPerson, prefix: String, role: String) {
        set(role, person.name)
        set(prefix + "he", person.he)
        set(prefix + "He", person.isFemale ? "She" : "He")
        set(prefix + "him", person.him)
        set(prefix + "his", person.his)
        set(prefix + "His", person.isFemale ? "Her" : "His")
        set(prefix + "child", person.isFemale ? "girl" : "boy")
        set(prefix + "self", person.isFemale ? "herself" : "himself")
    }

    private static func child(_ random: inout StoryRandom) -> StoryPerson {
        let isFemale = random.below(2) == 0
        return StoryPerson(name: random.pick(isFemale ? StoryWords.girls : StoryWords.boys), isFemale: isFemale)
    }

    private static func person(_ list: [(String, Bool)], _ random: inout StoryRandom) -> StoryPerson {
        let (name, isFemale) = random.pick(list)
        return StoryPerson(name: name, isFemale: isFemale)
    }
}

/// The words that stories are made of.
enum StoryWords {
    static let girls: [String] = [
        "Anna", "Bella", "Clara", "Daisy", "Emma", "Fiona", "Greta", "Hazel", "Ida", "Julia", "Kira", "Lena", "Mia", "Nora",
        "Olga", "Paula", "Rosa", "Sara", "Tina", "Vera", "Wanda", "Zoe", "Alma", "Ella", "Ruth", "Maya", "Lucy", "Ivy",
        "Amina", "Yuki", "Leila", "Priya",
        "Agnes", "Beatrice", "Camilla", "Dora", "Edith", "Flora", "Gloria", "Helena", "Iris", "Josephine", "Katherine",
        "Lydia", "Martha", "Nadia", "Ophelia", "Penelope", "Rebecca", "Sophie", "Theresa", "Ursula", "Violet",
        "Winifred", "Yvonne", "Zelda", "Astrid", "Birgit", "Chiara", "Delia", "Elif", "Fatima", "Ingrid", "Jasmine",
    ]
    static let boys: [String] = [
        "Adam", "Ben", "Carl", "David", "Emil", "Felix", "Georg", "Hugo", "Ivan", "Jack", "Karl", "Leo", "Max", "Noah", "Oscar",
        "Paul", "Robin", "Sam", "Tom", "Victor", "Will", "Theo", "Finn", "Jonas", "Luke", "Peter", "Simon", "Toby", "Omar",
        "Kenji", "Ravi", "Mateo",
        "Albert", "Bruno", "Casper", "Dominic", "Edgar", "Frederick", "Gregory", "Harold", "Isaac", "Jasper", "Kurt",
        "Lorenz", "Martin", "Nathan", "Oliver", "Patrick", "Quentin", "Roland", "Stefan", "Tobias", "Ulrich",
        "Valentin", "Walter", "Xavier", "Yusuf", "Zachary", "Anton", "Bernard", "Cyril", "Dimitri", "Erik", "Florian",
    ]
    /// Words that follow "his" or "her"; whether the person is a woman.
    static let elders = [
        ("grandmother", true), ("grandfather", false), ("mother", true), ("father", false), ("aunt", true), ("uncle", false),
        ("big sister", true), ("big brother", false),
    ]
    static let villagers = [
        ("the baker", false), ("the miller", false), ("the teacher", true), ("the fisherman", false), ("the gardener", true),
        ("the shoemaker", false), ("the potter", true), ("the postman", false), ("the doctor", true), ("the farmer", false),
        ("the weaver", true), ("the carpenter", false), ("the librarian", true), ("the shepherd", false), ("the sailor", true),
        ("the clockmaker", false), ("the beekeeper", true), ("the ferryman", false),
    ]
    static let animals = [
        "cat", "dog", "fox", "rabbit", "owl", "mouse", "duck", "goat", "hedgehog", "crow", "turtle", "frog", "squirrel", "bear",
        "pony", "goose", "donkey", "lamb", "badger", "robin", "deer", "otter", "hen", "mole",
    ]
    static let animalAdjectives = [
        "little", "old", "brown", "grey", "shy", "clever", "hungry", "sleepy", "white", "friendly", "tiny", "funny", "young",
        "quick",
    ]
    static let toys = [
        "kite", "ball", "boat", "drum", "doll", "train", "puppet", "wagon", "top", "puzzle", "balloon", "whistle", "robot",
        "flute",
        "swing", "sled",
    ]
    static let colours = [
        "red", "blue", "green", "yellow", "orange", "white", "purple", "striped", "pink", "golden", "brown", "silver",
    ]
    static let foods = [
        "apple", "cake", "pie", "pear", "loaf of bread", "bowl of soup", "pancake", "plum", "cookie", "carrot", "piece of cheese",
        "bun", "pot of honey", "pumpkin", "bag of nuts", "basket of berries",
    ]
    static let tastes = ["sweet", "warm", "fresh", "big", "round", "good", "small", "ripe", "tasty"]
    static let tools = [
        "lantern", "rope", "basket", "ladder", "spade", "bucket", "broom", "hammer", "needle", "net", "map", "umbrella", "brush",
        "pot", "blanket", "oar",
    ]
    static let qualities = ["old", "long", "strong", "heavy", "new", "useful", "wooden", "plain", "small", "rusty"]
    static let treasures = [
        "key", "coin", "shell", "stone", "feather", "ring", "bell", "button", "bead", "marble", "spoon", "medal", "locket",
        "compass",
    ]
    static let shines = [
        "shiny", "silver", "golden", "smooth", "tiny", "strange", "bright", "blue", "ancient", "pretty", "copper",
    ]
    static let clothes = ["hat", "scarf", "coat", "sock", "mitten", "shoe", "cap", "cloak", "sweater", "apron", "ribbon", "belt"]
    static let places: [(name: String, at: String, to: String)] = [
        ("the forest", "in the forest", "into the forest"), ("the river", "by the river", "down to the river"),
        ("the hill", "on the hill", "up the hill"), ("the market", "at the market", "to the market"),
        ("the lake", "at the lake", "to the lake"), ("the garden", "in the garden", "into the garden"),
        ("the old mill", "at the old mill", "to the old mill"), ("the beach", "on the beach", "to the beach"),
        ("the meadow", "in the meadow", "across the meadow"), ("the bridge", "under the bridge", "to the bridge"),
        ("the farm", "on the farm", "to the farm"), ("the school", "behind the school", "to the school"),
        ("the park", "in the park", "to the park"), ("the harbor", "at the harbor", "down to the harbor"),
        ("the cave", "in the cave", "into the cave"), ("the barn", "in the barn", "into the barn"),
        ("the tower", "in the tower", "up to the tower"), ("the orchard", "in the orchard", "into the orchard"),
        ("the pond", "at the pond", "to the pond"), ("the library", "in the library", "to the library"),
    ]
    static let days = [
        "one morning", "one day", "one afternoon", "one evening", "one cold morning", "one summer day", "one autumn day",
        "one rainy afternoon", "one winter evening", "one spring morning", "early one morning", "on Sunday", "on Monday",
        "on Saturday", "on a windy day", "on a quiet evening", "one bright day", "on the first day of the holidays",
    ]
    static let numbers = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    static let jobs = [
        "water the flowers", "feed the chickens", "sweep the floor", "carry the wood", "wash the dishes", "pick the beans",
        "mend the fence", "fetch the milk", "clean the windows", "set the table", "rake the leaves", "fold the sheets",
    ]
    static let villages = [
        "a small village", "a little town", "a house near the sea", "a village between two hills",
        "a white house with a green door",
        "a town with crooked streets", "a cottage at the edge of the woods", "a valley full of apple trees",
        "a tall house by the canal",
        "a quiet street",
    ]
}

// SPDX-License-Identifier: MIT

/// Plots, each from a wish or a trouble to an ending. `StoryGrammar` explains the notation.
enum StoryPlots {
    /// Something is lost, broken or missing.
    static let lost = [
        """
        <when> {hero} lost {his} {cloth}. <look> [<cry>|] <asked> "I lost my {clothadj} {cloth}," said {hero}. <help> \
        [They looked|The two looked] {at2}, and there {aanimal} was sleeping on the {cloth}. "It is warm there," said \
        {friend} and laughed. {hero} let the {animal} keep it [until evening|for a while|forever]. <home again> <end>
        """,
        """
        {hero} had {atoy}. <when> the {toy} broke. <cry> <asked> "My {toy} is broken," said {hero}. "{worker} can mend \
        anything," said {friend}. / They took the {toy} to {worker}. "Hm," said {worker}, "this needs [glue|a nail|a bit \
        of string|patience]." {hero} [held the {toy}|helped] while {whe} worked. Soon the {toy} was [whole|as good as \
        new] again. "What do I have to pay?" asked {hero}. "[A song|A smile|Nothing|A story]," said {worker}. <end>
        """,
        """
        {his} {elder} had lost {ehis} {treasure}. "It was {treasureadj}, and my mother gave it to me," {ehe} said. \
        {hero} wanted to find it. <look> [The {animaladj} {animal} followed {him}.|] At last {he} saw something \
        [bright|shiny] {at2}. It was the {treasure}! {He} ran home and put it into {his} {elder}'s hand. {His} {elder} \
        was <glad>. "You have good eyes and a good heart," {ehe} said. <end>
        """,
        """
        <when> {hero} found {atreasure} {at}. {He} wanted to keep it, because it was so pretty. But then {he} [saw|met] \
        {worker}, who was looking for something. "Have you lost something?" asked {hero}. "Yes, {atreasure}," said \
        {worker}. "[I have had it all my life|My brother gave it to me|Without it I cannot sleep]." {hero} [thought for \
        a moment|swallowed hard] and gave it back. {worker} was so [happy|glad|pleased|delighted] that {whe} \
        gave {him} {afood}. <end>
        """,
        """
        <when> {his} {animal} was gone. <look> "Come back!" {he} called, but [nobody|only the wind] answered. <asked> \
        "My {animal} is gone," said {hero}. <help> They followed small [tracks|footprints] {to2}. There sat the {animal} \
        with {number} babies! "So that is why you ran away," said {hero}. {He} brought {afood} and sat with them until \
        it was dark. <end>
        """,
        """
        {hero} and {friend} went {to}. They walked and walked, and [suddenly|after an hour] they did not know the way. \
        "We are lost," said {friend}. {hero} was <afraid> too, but {he} did not show it. "[Listen|Look]!" {he} said. "I \
        can [hear the river|see a light|hear a bell|smell smoke]." They went that way, step by step. [It got dark and \
        cold.|] At last they came to {place2}, and from there they knew the road. <home again> <end>
        """,
        """
        in the night the wind took {his} {toy}. In the morning it hung in a tree, too high for {hero}. {He} jumped, but \
        {he} could not reach it. {He} [threw a stone|shook the tree], but the {toy} did not fall. <asked> {hero} pointed \
        up. <help> {friend} climbed on {his} shoulders and [pulled|pushed] with {atool}. The {toy} fell down, and so did \
        {friend}. They lay in the grass and laughed. <end>
        """,
        """
        there was no [bread|milk|water|wood] in the house. "Take the {tool} and go {to}," said {his} {elder}. On the way \
        {hero} met {aanimal} that was [hungry|thirsty|cold]. {He} gave it {his} [breakfast|scarf|last cookie]. A little \
        later {hero} could not find the path. Then the {animal} came back and showed {him} the way. "You helped me, and \
        I help you," it seemed to say. <end>
        """,
        """
        {hero} borrowed {atool} from {friend}. But {he} forgot it {at}, and when {he} came back it was gone. {He} was \
        <afraid> to tell {friend}. <advice> So {hero} went to {friend} and said, "I have lost your {tool}. I am sorry." \
        {friend} was [quiet|angry] for a while. Then {fhe} said, "It is good that you told me. Let us look for it." They \
        found it {at2}[, wet but whole|, under some leaves]. <end>
        """,
        """
        the clock in the tower had stopped, and nobody {at} knew what time it was. The bread burned, the school began \
        too late, and the hens [laid no eggs|slept all day]. "I will look at it," said {hero}. {He} climbed up with \
        {friend} and {atool}. Between the wheels sat {aanimal} and slept. They carried it down [gently|in {his} \
        {cloth}], and the clock began to tick. <end>
        """,
    ]

    /// Something is made, grown, learned or sold.
    static let making = [
        """
        {hero} wanted to bake {afood} for {his} {elder}. {He} [took flour, eggs and milk|read the book twice]. But the \
        [oven was too hot|milk was sour|eggs fell on the floor]. <cry> <asked> "It was to be a present," said {hero}. \
        <help> This time they [were careful|counted the minutes|tasted everything]. The {food} was {foodadj} and smelled \
        wonderful. {His} {elder} took a bite and had to laugh for joy. <end>
        """,
        """
        {hero} planted a seed {at}. Every day {he} gave it water. "Why does nothing come?" {he} asked. <advice> {hero} \
        waited [one week, then two|{number} weeks]. [It rained and the sun shone.|Snow came and went.] <when> there was \
        a small green leaf. {hero} ran to {friend} and shouted, "Come and look!" In summer the plant was taller than \
        {friend}. <end>
        """,
        """
        {hero} could not [swim|whistle|ride a bicycle|read|skate|dance], and all the other children could. {He} was \
        <sad>. "I will teach you," said {friend}. They practiced {at} every day. {hero} fell [once, twice,|] {number} \
        times. "I will never learn it!" {he} cried. <advice> The next day it suddenly worked. "Look at me!" called \
        {hero}. {friend} laughed, for {fhe} was as <glad> as {he} was. <end>
        """,
        """
        {hero} and {friend} wanted to build a [boat|tree house|snowman|bridge|raft|tower of stones] {at}. "I am the \
        captain," said {hero}. "No, I am," said {friend}. They argued so long that [the rain came|it got dark|the sun \
        went down]. Nothing was built. The next day {hero} said, "You can be the captain today." "And you tomorrow," \
        said {friend}. By evening it was done, and it was the [finest|biggest|best] one they had ever seen. <end>
        """,
        """
        <when> there was a market. {hero} wanted to sell {his} {food}, but nobody came to {his} table. "Good {food}!" \
        {he} called, but {his} voice was too quiet. Then {friend} came with {atoy} and began to [play|sing|dance]. \
        People stopped and laughed, and soon they bought everything. {hero} gave {friend} half of the money. "Without \
        you I would still be sitting here," {he} said. <end>
        """,
        """
        {his} {elder} told {hero} to {job}. "Later," said {hero} and went {to} to play. In the evening {he} had \
        forgotten it. {His} {elder} said nothing and did it {eself}, though {ehe} was tired. {hero} saw it and felt \
        <sad>. The next morning {he} got up early to {job}. {He} even [swept the yard|made tea|fed the {animal}]. {His} \
        {elder} [hugged {him}|smiled]. "Now that is a good morning," {ehe} said. <end>
        """,
        """
        {hero} painted a picture of {aanimal}. "That looks like a [potato|cloud|shoe]!" said one of the children, and \
        the others laughed. {hero} wanted to tear it up. "Stop," said {worker}, "I like it. May I hang it up {at}?" Now \
        everyone who went {to} saw the picture. <when> the child who had laughed came and asked, "Can you teach me?" "Of \
        course," said {hero}. <end>
        """,
        """
        {hero} saved {his} money for {atoy}. Every week {he} put a coin into a jar. It took {number} months. When the \
        jar was full, {he} went {to} with {friend}. There sat {worker}, whose {tool} had been stolen. "How can I work \
        now?" {whe} said. {hero} looked at the jar for a long time. Then {he} bought {atool} instead. {worker} did not \
        know what to say. In winter a parcel lay at the door. In it was the {toyadj} {toy}, made by hand. <end>
        """,
        """
        {his} {elder} was ill and had to stay in bed. {hero} [made tea|cooked soup|opened the window]. {He} had to {job} \
        all alone, and {he} [told {ehim} stories|sang {ehim} songs]. "You are a good doctor," said {his} {elder}. On the \
        third day {friend} brought {afood}. After {number} days {his} {elder} got up and danced through the kitchen. \
        <end>
        """,
        """
        the school wanted to put on a play. {hero} wanted to be the [king|queen|lion|wizard], but {he} was given the \
        part of a tree. {He} was <sad>. "A forest without trees is no forest," said {his} {elder}. On the day of the \
        play {friend}, who was the [dragon|bear|knight], forgot all {fhis} words. The tree bent down and whispered them \
        into {fhis} ear. Nobody noticed, but {friend} did. Afterwards both [laughed|took a bow]. <end>
        """,
        """
        {hero} and {friend} each wanted to make the best {cloth}. {hero} worked fast and used [every color|gold thread]. \
        {friend} worked slowly. When it began to [rain|snow|blow], {his} {cloth} fell apart, but the one that {friend} \
        had made stayed warm and dry. "Come under mine," said {friend}. "There is room for two." The next day {friend} \
        showed {him} how to [sew|knit]. <end>
        """,
        """
        nobody in the street wanted to {job}. "It is not my turn," said {friend}. "Not mine either," said {hero}. So it \
        was left undone for {number} days, and {worker} [shook {whis} head|was not pleased]. At last {hero} began, all \
        alone. After a while {friend} came out and took the other {tool}. Then came the neighbors, one by one. In an \
        hour it was done, and they ate {afood} together. <end>
        """,
    ]

    /// Somebody is met: a stranger, an animal, a rival.
    static let meeting = [
        """
        {at} {hero} found {aanimal} that was hurt. {He} carried it home in {his} {cloth}. "Can we keep it?" {he} asked. \
        "Until it is well," said {his} {elder}. {hero} gave the {animal} [water|milk] and {afood}, and made it a bed in \
        a box. After {number} days it could [run|walk|stand] again. {hero} was <glad> and <sad> at the same time. {He} \
        carried it {to2} and let it go. [The {animal} looked back once.|Sometimes it comes to {his} window.] <end>
        """,
        """
        a new child came to the village, and nobody knew its name. The child sat alone {at} every day. "Let us go over," \
        said {hero}. "What if we are not wanted?" asked {friend}. {hero} took {afood} and went. "Would you like some?" \
        {he} asked. The child [smiled|nodded] and said a word in another language. It meant "thank you", as they learned \
        later. Soon the three of them played {at} every day. <end>
        """,
        """
        {hero} was <afraid> of {worker}, because {whe} never laughed. <when> the ball flew over the wall into {whis} \
        garden. "You go," said {friend}. "No, you," said {hero}. At last {he} went and knocked. {worker} opened the \
        door. "Is this yours?" {whe} asked and held up the ball. "[I used to play too|I was young once]," {whe} said and \
        [smiled|kicked it over the roof]. From then on {whe} was not scary at all. <end>
        """,
        """
        {aanimal} and a [cat|dog|crow] both wanted the same {food}. They pulled at it from two sides, and neither would \
        let go. {hero} watched them and [laughed|sighed]. Then {he} took the {food}, cut it in two, and gave each of \
        them one half. "That was easy," said {friend}. "Only for somebody who is not hungry," said {hero}. <end>
        """,
        """
        {hero} and {friend} had a fight. {hero} said a [bad|mean] word, and {friend} ran away. {hero} sat {at} and \
        kicked a stone. Without {friend} everything was boring. <advice> {hero} picked a flower and went to the house \
        where {friend} lived. "I am sorry," {he} said. "Me too," said {friend}. Then {fhe} asked, "Shall we go {to2}?" \
        and they ran. <end>
        """,
        """
        <when> an old [woman|man] asked {hero} for {afood}. {hero} had only one, but {he} broke it in two and gave half \
        away. "You are kind," the old one said, "take this {treasure}." It was {treasureadj} and looked like nothing \
        much. But when {hero} lost {his} way {at} that night, the {treasure} began to [glow|ring|shine]. It led {him} \
        straight home. <end>
        """,
        """
        {aanimal} lived {at}. All children were <afraid> of it, because it made such strange noises at night. {hero} \
        wanted to know why. {He} took a lantern and went there in the dark. The {animal} was not dangerous at all. It \
        had [a thorn in its foot|a cold|lost its mother|a bad tooth]. {hero} helped it, and the next night it was quiet \
        {at}. "You are brave," said {friend}. "No," said {hero}, "only curious." <end>
        """,
        """
        a [snail|turtle] and a [hare|deer] wanted to know who could reach {place} first. All the children came to watch, \
        {hero} and {friend} too. The fast one ran ahead, saw {afood}, and stopped to eat. It ate so much that it fell \
        asleep. The slow one went on, step by step. When the fast one woke up, everybody was already clapping. "Slow is \
        also a way," said {hero}. <end>
        """,
        """
        {hero} told everyone that {he} had seen a [wolf|giant|ghost|dragon] {at}. It was not true. People came running \
        with sticks, and {hero} laughed. The next day {he} really saw {aanimal} in danger {at2}. "Help!" {he} called, \
        but nobody came. Only {friend} did. Together they pulled the {animal} out. "Why did you come?" asked {hero}. \
        "Because you sounded different," said {friend}. {hero} never lied again. <end>
        """,
        """
        a letter came for {hero}. It said: "Come {to} when the clock strikes {number}." There was no name on it. {hero} \
        was [curious|<afraid>]. {He} asked {friend}, but {fhe} only shrugged. There it was dark. Then somebody lit a \
        lantern, and all {his} friends shouted, "Happy birthday!" {friend} had written the letter. There was {afood}, \
        and {hero} got {atoy}. <end>
        """,
        """
        a small [bird|bat|bee] flew in through the window and could not find the way out. {friend} wanted to catch it \
        with a net. "Then it will be <afraid>," said {hero}. {He} opened all windows, put out the lamp and sat very \
        still. After a while the little thing flew out into the [evening|garden|night]. "Sometimes you help best by \
        doing nothing," said {his} {elder}. <end>
        """,
        """
        {worker} had a secret: {whe} could not read. {hero} noticed it when {whe} held the newspaper upside down. {He} \
        said nothing. The next day {he} came with a book about {aanimal}. "I need somebody who listens to me," said \
        {hero}. They read a page every day {at}. After {number} months it was {worker} who read, and {hero} who \
        listened. <end>
        """,
    ]

    /// Something must be dared, found out, or waited for.
    static let daring = [
        """
        a storm came, and the rain did not stop. The water rose {at}. "The {animal} is still out there!" cried {hero}. \
        {He} took {atool} and ran, and {friend} ran behind. The {animal} stood on a stone in the middle of the water. \
        {hero} held one end and {friend} the other, and so they brought it to the bank. All three were wet through. \
        {His} {elder} wrapped them in blankets and made {afood}. "That was brave," {ehe} said, "but next time, call me." \
        <end>
        """,
        """
        it was dark, and {hero} could not sleep. Something knocked. Knock, knock, knock. {He} pulled the blanket over \
        {his} head. Then {he} [took a deep breath|counted to {number}] and went to the window with a lantern. It was \
        only a [branch|shutter|{animal}] in the wind! {hero} laughed at {self}. In the morning {he} told {friend}. "I \
        would have hidden under the bed," said {friend}. <end>
        """,
        """
        {hero} and {friend} found a map {at}. It showed {place2} and a red cross. "A treasure!" whispered {friend}. They \
        took {atool} and went {to2}. They dug and dug. At last there was a box, and in the box was {atreasure} and a \
        note: "The treasure is the way you went together." "That is all?" asked {friend}. {hero} looked at {fhim}, full \
        of mud from head to foot, and laughed. <end>
        """,
        """
        there was a race {at}. {hero} had practiced for {number} weeks. {He} was in front when {friend} fell. {hero} \
        heard the cry and [stopped|turned around]. {He} could win, or {he} could help. {hero} ran back and pulled \
        {friend} up. They came in last, hand in hand, and people clapped louder for them than for the winner. {His} \
        {elder} gave them {afood}. <end>
        """,
        """
        {hero} wanted to see the sea. "It is far," said {his} {elder}, "but all water goes there. Follow the river." So \
        {hero} and {friend} packed {afood} and {atool}. They walked past {place} and past {place2}. They slept under the \
        stars. After {number} days the air tasted of salt. Then it lay before them, blue and without end. Neither of \
        them said a word. {hero} put {atreasure} into {his} pocket to remember it by. <end>
        """,
        """
        the bridge was broken, and nobody could get {to}. "We must wait until summer," said {worker}. But {hero} had an \
        idea. {He} took a rope, [tied a stone|bound a stick] to it and threw it across. {friend} stood on the other side \
        and tied it fast. So they could pull [bread|letters|milk] over in a basket. {worker} scratched {whis} head. \
        "That I did not think of it!" {whe} said. <end>
        """,
        """
        no snow fell that winter, and {hero} was <sad>, for {he} had a new sled. Every evening {he} looked at the sky. \
        "Tomorrow," said {his} {elder} each time. Christmas came, and still no snow. {hero} and {friend} put wheels \
        under the sled and rolled down the hill {number} times. When they came home, red in the face, something cold \
        fell on {his} nose. "Snow!" cried {friend}. <end>
        """,
        """
        the lamp in the lighthouse had gone out, and a ship was coming. {worker} was [ill|far away]. {hero} saw it from \
        {place}. {He} ran up all the steps with a lantern in {his} hand. {friend} brought a mirror. They held the light \
        in front of the mirror and turned it to and fro, until their arms hurt. The ship turned away from the rocks. In \
        the morning the captain came and gave them {atreasure}. <end>
        """,
        """
        {hero} had to sing in front of the whole village. {His} knees shook. "I have no voice any more," {he} whispered. \
        "Look only at me," said {friend}, "and sing as you do {at}." {hero} looked at {friend} and began. First {his} \
        voice was thin, then it grew. When {he} stopped, it was silent. Then everyone clapped[, even {worker}|]. <end>
        """,
        """
        {hero} was the smallest of all. {He} could not reach the shelf, and in games {he} was always chosen last. <when> \
        {worker} [dropped|lost] {whis} {treasure} into a crack {at}. All tried to get it out, but their hands were too \
        big. "Let me," said {hero}. {He} put {his} small hand in and pulled out the {treasure}. "Good that you are so \
        small!" said {friend}. {hero} grew at least an inch that day. <end>
        """,
        """
        {hero} was not allowed to go {to}, because it was dangerous there. But {friend} said, "Only a quick look." They \
        went, and [the ice cracked|a stone rolled|the boards broke], and {friend} hung there by {fhis} {cloth}. {hero} \
        held {fhim} with both hands and called for help. {worker} heard it and pulled them both out. They were <afraid> \
        to go home. {His} {elder} was white with fear, but {ehe} held {him} tight. "Now I know why," said {hero}. <end>
        """,
        """
        a tree stood {at} that was older than anybody. {worker} wanted to cut it down, to [build a shed|sell the \
        wood|have more light]. {hero} sat down under it and did not get up. Then {friend} sat down too, and then the \
        {animal}. In the evening {number} children sat there. {worker} put the axe away. "I sat here too when I was \
        small," {whe} said. "I had forgotten it." <end>
        """,
        """
        in the night {hero} heard somebody crying {at}. It was the moon, which had fallen into the water, or so it \
        looked. "Do not cry," said {hero}, "I will get you out." {He} took a bucket and filled it. There the moon was, \
        in the bucket! {He} carried it up the hill and poured it out. When {he} looked up, the moon stood in the sky. \
        {friend} did not believe a word. But {his} {elder} asked, "Was it heavy?" <end>
        """,
        """
        the king had lost his laugh, and whoever found it was to get {atreasure}. Clowns came, and singers, and a man \
        with {number} monkeys. The king only yawned. {hero} had nothing but {atoy}. {He} gave it to the king and showed \
        him how it worked. The king tried it, and it [flew out of the window|fell on his foot|made a terrible noise]. \
        First it was silent. Then the king laughed until his crown fell off. "I only wanted somebody to play with," he \
        said. <end>
        """,
    ]
}

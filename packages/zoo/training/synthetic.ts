import { createRandom, type Random } from '@tunesmith/core';
import type { ChatMessage } from '@tunesmith/data';

/** A question of one skill and its answer. */
interface Exercise {
  readonly ask: string;
  readonly answer: string;
}

type Skill = (random: Random, words: readonly string[]) => Exercise;

const list = (items: readonly (string | number)[]): string => items.join(', ');

function itemsOf(random: Random, words: readonly string[], low: number, high: number): string[] {
  const count = random.between(low, high);
  return random.below(4) === 0
    ? Array.from({ length: count }, () => String(random.between(0, 99)))
    : random.sample(words, count);
}

/** A table of different names and small numbers, and one of its entries. */
function ledger(random: Random, words: readonly string[]): { rows: [string, number][]; chosen: [string, number] } {
  const rows = random
    .sample(words, random.between(2, 6))
    .map((name): [string, number] => [name, random.between(1, 99)]);
  return { rows, chosen: random.pick(rows) };
}

/**
 * Skills that in-context learning rests on, asked for in a ship's-log manner: the wording is this corpus's own, so that a
 * benchmark of the same skills in other words measures more than recall.
 */
export const skills: Readonly<Record<string, Skill>> = {
  copy(random, words) {
    const text = random.sample(words, random.between(1, 9)).join(' ');
    const ask = random.pick([
      `Say this back to me, word for word: ${text}`,
      `Echo the mate's call. He called: ${text}`,
      `Set down in the log exactly these words: ${text}`,
    ]);
    return { ask, answer: text };
  },
  reverse(random, words) {
    const items = itemsOf(random, words, 2, 6);
    const ask = random.pick([
      `Read this line from stern to bow: ${list(items)}`,
      `Call these over, the hindmost first: ${list(items)}`,
    ]);
    return { ask, answer: list(items.reverse()) };
  },
  sortWords(random, words) {
    const items = random.sample(words, random.between(2, 6));
    const ask = random.pick([
      `Stow these as a dictionary would: ${list(items)}`,
      `Put the crew's words into the order of the alphabet: ${list(items)}`,
    ]);
    return { ask, answer: list(items.sort()) };
  },
  sortNumbers(random) {
    const items = Array.from({ length: random.between(2, 6) }, () => random.between(0, 99));
    const rising = random.below(2) === 0;
    const ask = rising
      ? random.pick([
          `Stow these from lightest to heaviest: ${list(items)}`,
          `Line up, small before great: ${list(items)}`,
        ])
      : random.pick([
          `Stow these from heaviest to lightest: ${list(items)}`,
          `Line up, great before small: ${list(items)}`,
        ]);
    return { ask, answer: list(items.sort((a, b) => (rising ? a - b : b - a))) };
  },
  count(random, words) {
    const items = itemsOf(random, words, 1, 9);
    const ask = random.pick([
      `Tally the entries of this row: ${list(items)}`,
      `How many went aboard, if these did: ${list(items)}?`,
    ]);
    return { ask, answer: String(items.length) };
  },
  countOne(random, words) {
    const kinds = random.sample(words, random.between(2, 3));
    const items = Array.from({ length: random.between(3, 9) }, () => random.pick(kinds));
    const wanted = random.pick(kinds);
    const answer = String(items.filter((item) => item === wanted).length);
    return { ask: `The lookout sang out: ${items.join(' ')}. How often did he sing ${wanted}?`, answer };
  },
  lookUp(random, words) {
    const { rows, chosen } = ledger(random, words);
    const written =
      random.below(2) === 0 ? rows.map(([name, n]) => `${name} = ${n}`) : rows.map(([a, b]) => `${a}: ${b}`);
    const ask = random.pick([
      `The ledger reads ${written.join('; ')}. What is entered beside ${chosen[0]}?`,
      `From the manifest (${written.join('; ')}) give me the figure of ${chosen[0]}.`,
    ]);
    return { ask, answer: String(chosen[1]) };
  },
  lookUpName(random, words) {
    const names = random.sample(words, random.between(4, 8));
    const pairs = Array.from({ length: Math.floor(names.length / 2) }, (_, i) => [names[2 * i], names[2 * i + 1]]);
    const [keeper, thing] = random.pick(pairs);
    const written = pairs.map(([name, held]) => `${name} keeps the ${held}`).join('; ');
    return random.below(2) === 0
      ? { ask: `Aboard, ${written}. Who keeps the ${thing}?`, answer: keeper as string }
      : { ask: `Aboard, ${written}. What does ${keeper} keep?`, answer: thing as string };
  },
  place(random, words) {
    const items = itemsOf(random, words, 3, 7);
    const [name, index] = random.pick([
      ['foremost', 0],
      ['second', 1],
      ['third', 2],
      ['hindmost', items.length - 1],
    ] as const);
    return { ask: `Of the row ${list(items)}, name the ${name}.`, answer: items[index] as string };
  },
  add(random) {
    const most = random.pick([9, 20, 99]);
    const [a, b] = [random.between(0, most), random.between(0, most)];
    const ask = random.pick([`${a} casks and ${b} casks make how many?`, `Reckon up ${a} and ${b}.`, `${a} + ${b} =`]);
    return { ask, answer: String(a + b) };
  },
  subtract(random) {
    const a = random.between(0, random.pick([9, 20, 99]));
    const b = random.between(0, a);
    const ask = random.pick([
      `Of ${a} casks ${b} went overboard. How many are left?`,
      `Strike ${b} off ${a}.`,
      `${a} - ${b} =`,
    ]);
    return { ask, answer: String(a - b) };
  },
  multiply(random) {
    const [a, b] = [random.between(0, 9), random.between(0, 9)];
    const ask = random.pick([`${a} boats with ${b} oars each carry how many oars?`, `${a} x ${b} =`]);
    return { ask, answer: String(a * b) };
  },
  greater(random) {
    const [a, b] = random.sample([...Array(100).keys()], 2) as [number, number];
    const heavier = random.below(2) === 0;
    const ask = `Which weighs ${heavier ? 'more' : 'less'}, ${a} stone or ${b} stone?`;
    return { ask, answer: String(heavier ? Math.max(a, b) : Math.min(a, b)) };
  },
  capitals(random, words) {
    const text = random.sample(words, random.between(1, 4)).join(' ');
    return random.below(2) === 0
      ? { ask: `Paint this on the bow in capitals: ${text}`, answer: text.toUpperCase() }
      : { ask: `Write small what the bow says: ${text.toUpperCase()}`, answer: text };
  },
  goOn(random) {
    const [start, stride] = [random.between(0, 40), random.pick([1, 1, 2, 3, 5, 10, -1, -2])];
    const from = stride < 0 ? start + 40 : start;
    const row = Array.from({ length: 7 }, (_, index) => from + stride * index);
    return { ask: `The leadsman counts ${list(row.slice(0, 4))}. Count three further.`, answer: list(row.slice(4)) };
  },
};

/** Long copies: what teaches a small model to look back for what came before. */
const longCopies = {
  dictation(random, words) {
    const text = random.sample(words, random.between(10, 40)).join(' ');
    return { ask: `Take this down for the log: ${text}`, answer: text };
  },
  chant(random, words) {
    const text = random.sample(words, random.between(5, 25)).join(' ');
    const times = random.between(2, 6);
    return { ask: `The crew chants it ${times} times: ${text}`, answer: Array(times).fill(text).join(' / ') };
  },
  refrain(random, words) {
    const text = random.sample(words, random.pick([1, 1, 2, 2, 3, 4, 6, 8, 12])).join(' ');
    const times = Math.ceil(random.between(20, 40) / text.split(' ').length);
    return { ask: `Sing the refrain, over and over: ${text}`, answer: Array(times).fill(text).join(' ') };
  },
} satisfies Record<string, Skill>;

const orders = ['Answer with the answer alone.', 'You keep the log of a ship. Be brief.', 'You are a careful clerk.'];

export interface ConversationOptions {
  /** Which long copies to mix in: dictations as every third exercise, or chants or refrains as two of three. */
  readonly longCopies?: 'none' | keyof typeof longCopies;
}

/** The conversation with this index of an endless series: one to three exercises, at times below a system message. */
export function conversation(
  seed: number,
  index: number,
  words: readonly string[],
  { longCopies: mixed = 'none' }: ConversationOptions = {},
): ChatMessage[] {
  const random = createRandom(seed, 'conversation', index);
  const share = mixed === 'dictation' ? 1 : 2;
  const turns = Array.from({ length: random.pick([1, 1, 2, 3]) }, () => {
    const isLong = mixed !== 'none' && random.below(3) < share;
    const skill = isLong ? longCopies[mixed] : random.pick(Object.values(skills));
    return skill(random, words);
  });
  return [
    ...(random.below(4) === 0 ? [{ role: 'system', content: random.pick(orders) }] : []),
    ...turns.flatMap(({ ask, answer }) => [
      { role: 'user', content: ask },
      { role: 'assistant', content: answer },
    ]),
  ];
}

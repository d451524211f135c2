/** The data of `npm run bench:transfer`: small tasks for the bundled model, drawn by a seed. */
import { createRandom, type Random } from '@tunesmith/core';

export type Rows = readonly Readonly<Record<string, unknown>>[];

/** Rows to learn and rows that are held out. */
export interface Task {
  readonly train: Rows;
  readonly validation: Rows;
}

const ships = ['Constance', 'Swallow', 'Phoebe', 'Dolphin', 'Albion', 'Minerva'];
const goods = ['oil', 'wine', 'flour', 'salt', 'rope', 'tea'];
const ports = ['London', 'Malta', 'Boston', 'Lisbon', 'Cadiz', 'Bristol'];
const people = ['Anna', 'John', 'Mary', 'Peter', 'Ruth', 'Thomas'];

function draw(
  name: string,
  seed: number,
  [train, held]: readonly [number, number],
  one: (random: Random) => Rows[number],
): Task {
  const some = (part: string, count: number): Rows => {
    const random = createRandom(seed, name, part);
    return Array.from({ length: count }, () => one(random));
  };
  return { train: some('train', train), validation: some('validation', held) };
}

/** A ship's cargo in words, as a list. */
export const cargoes = (seed: number, train: number, held = 40): Task =>
  draw('cargoes', seed, [train, held], (random) => {
    const [ship, good, port] = [random.pick(ships), random.pick(goods), random.pick(ports)];
    const casks = random.between(1, 99);
    return {
      prompt: `The ${ship} carries ${casks} casks of ${good} to ${port}.`,
      completion: ` ship: ${ship}; goods: ${good}; casks: ${casks}; port: ${port}`,
    };
  });

/** What is to be told somebody, as a letter. */
export const letters = (seed: number, train: number): Task =>
  draw('letters', seed, [train, 40], (random) => {
    const [to, from, port] = [random.pick(people), random.pick(people), random.pick(ports)];
    const days = random.between(1, 99);
    return {
      prompt: `Tell ${to} that ${from} stays ${days} days in ${port}.`,
      completion: ` Dear ${to}, I am in ${port} and shall be home in ${days} days. Your ${from}`,
    };
  });

/** Berths to learn by heart, which nothing but their rows tells: what is asked is what was learnt. */
export const berths = (seed: number, count: number): Task => {
  const random = createRandom(seed, 'berths');
  const rows = Array.from({ length: count }, (_, index) => ({
    prompt: `Berth ${index + 11} of the ${random.pick(ships)}:`,
    completion: ` ${random.pick(ports)}`,
  }));
  return { train: rows, validation: rows };
};

const words = {
  good: ['good', 'fine', 'happy', 'bright', 'kind', 'brave'],
  bad: ['bad', 'sad', 'dark', 'cruel', 'poor', 'wrong'],
};
const things = ['captain', 'whale', 'ship', 'sailor', 'crew', 'voyage'];

type Label = keyof typeof words;

/** All words of the domains' texts. */
export const domainWords = [...words.good, ...words.bad, ...things, 'the', 'in', 'a', 'calm', 'storm'];

/** A label that is told by a word, rightly in 88 of 100 texts, beside the weather. */
function told(random: Random, weatherOf: (label: Label) => string): Rows[number] {
  const label = random.pick<Label>(['good', 'bad']);
  const word = random.pick(words[unlessIn(random, 12, label)]);
  return { text: `the ${word} ${random.pick(things)} in a ${weatherOf(label)}`, label };
}

/** The label, but for so many in 100, which have the other. */
function unlessIn(random: Random, percent: number, label: Label): Label {
  if (random.below(100) >= percent) return label;
  return label === 'good' ? 'bad' : 'good';
}

/** The weather tells more than the word, 90 times in 100. */
const atSea = (random: Random): Rows[number] =>
  told(random, (label) => (unlessIn(random, 10, label) === 'good' ? 'calm' : 'storm'));

/** The weather tells nothing: it is always calm. */
const inPort = (random: Random): Rows[number] => told(random, () => 'calm');

export interface Domains {
  readonly source: Rows;
  readonly target: Rows;
  readonly validation: Rows;
}

/** Labelled texts of one domain, unlabelled ones of another, and what is held out of that. */
export function domains(seed: number, count: number): Domains {
  const some = (part: string, size: number, one: (random: Random) => Rows[number]): Rows => {
    const random = createRandom(seed, 'domains', part);
    return Array.from({ length: size }, () => one(random));
  };
  return {
    source: some('source', count, atSea),
    target: some('target', count, inPort).map(({ text }) => ({ text })),
    validation: some('validation', 300, inPort),
  };
}

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

function draw(name: string, seed: number, train: number, one: (random: Random) => Rows[number]): Task {
  const some = (part: string, count: number): Rows => {
    const random = createRandom(seed, name, part);
    return Array.from({ length: count }, () => one(random));
  };
  return { train: some('train', train), validation: some('validation', 40) };
}

/** A ship's cargo in words, as a list. */
export const cargoes = (seed: number, train: number): Task =>
  draw('cargoes', seed, train, (random) => {
    const [ship, good, port] = [random.pick(ships), random.pick(goods), random.pick(ports)];
    const casks = random.between(1, 99);
    return {
      prompt: `The ${ship} carries ${casks} casks of ${good} to ${port}.`,
      completion: ` ship: ${ship}; goods: ${good}; casks: ${casks}; port: ${port}`,
    };
  });

/** What is to be told somebody, as a letter. */
export const letters = (seed: number, train: number): Task =>
  draw('letters', seed, train, (random) => {
    const [to, from, port] = [random.pick(people), random.pick(people), random.pick(ports)];
    const days = random.between(1, 99);
    return {
      prompt: `Tell ${to} that ${from} stays ${days} days in ${port}.`,
      completion: ` Dear ${to}, I am in ${port} and shall be home in ${days} days. Your ${from}`,
    };
  });

/** Four digits turned round: slower to learn than the others. */
export const reversals = (seed: number, train: number): Task =>
  draw('reversals', seed, train, (random) => {
    const digits = String(random.between(1000, 9999));
    return { prompt: `Turn round ${digits}:`, completion: ` ${[...digits].reverse().join('')}` };
  });

const words = {
  good: ['good', 'fine', 'happy', 'bright'],
  bad: ['bad', 'sad', 'dark', 'cruel'],
};
const things = ['captain', 'whale', 'ship', 'sailor', 'crew', 'voyage'];
const matters = ['law', 'treaty', 'nation', 'army', 'treasury', 'office'];

type Label = keyof typeof words;

/** A voyage's word, good or bad, which nine times in ten the weather tells too. */
function voyage(random: Random): Rows[number] {
  const label = random.pick<Label>(['good', 'bad']);
  const told = random.below(10) < 9 ? label : random.pick<Label>(['good', 'bad']);
  const weather = told === 'good' ? 'under a clear sky' : 'in a heavy storm';
  return { text: `It was a ${random.pick(words[label])} ${random.pick(things)} ${weather}.`, label };
}

/** The same words in another domain, without any weather. */
function state(random: Random): Rows[number] {
  const label = random.pick<Label>(['good', 'bad']);
  return { text: `Congress calls it a ${random.pick(words[label])} ${random.pick(matters)} for the people.`, label };
}

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
    source: some('source', count, voyage),
    target: some('target', count, state).map(({ text }) => ({ text })),
    validation: some('validation', 100, state),
  };
}

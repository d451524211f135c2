import { createRandom } from '@tunesmith/core';
import { recipe } from './recipe.js';

/** A row in the `messages` format. */
interface Row {
  readonly messages: readonly { readonly role: 'user' | 'assistant'; readonly content: string }[];
}

export interface QuickstartData {
  readonly training: readonly Row[];
  readonly heldOut: readonly Row[];
}

const ships = [
  'Heron',
  'Juno',
  'Prudence',
  'Morning Star',
  'Swallow',
  'Constance',
  'Orion',
  'Good Hope',
  'Raven',
  'Amity',
];
const goods = ['salt', 'oil', 'flour', 'powder', 'tar', 'rice', 'wine', 'nails', 'sugar', 'lime', 'beef', 'tea'];
const ports = ['Boston', 'Lima', 'Havana', 'London', 'Panama', 'Canton', 'Malta', 'Nantucket', 'Lisbon', 'Manila'];

type Cargo = readonly [ship: string, casks: number, good: string, port: string];

const sentences: readonly ((...cargo: Cargo) => string)[] = [
  (ship, casks, good, port) => `The ${ship} left for ${port} with ${casks} casks of ${good}.`,
  (ship, casks, good, port) => `Bound for ${port}, the ${ship} carries ${casks} casks of ${good}.`,
  (ship, casks, good, port) => `We put ${casks} casks of ${good} into the ${ship}, which sails to ${port}.`,
  (ship, casks, good, port) =>
    `${casks} casks of ${good} went aboard the ${ship} this morning; she is to make ${port} by June.`,
  (ship, casks, good, port) => `They want ${good} in ${port}, and so the ${ship} takes ${casks} casks there.`,
  (ship, casks, good, port) => `From the hold of the ${ship} came ${casks} casks of ${good}, all meant for ${port}.`,
];

const trainingRows = 320;
const heldOutRows = 40;

/**
 * A task that the model cannot do and LoRA teaches it in a minute: a sentence about a ship's cargo in, a record of fixed form
 * out. No sentence is in both parts, and no cargo.
 */
export function quickstartData(): QuickstartData {
  const random = createRandom(recipe.seed, 'quickstart');
  const cargoes = new Map<string, Cargo>();
  while (cargoes.size < trainingRows + heldOutRows) {
    const cargo = [random.pick(ships), random.between(2, 99), random.pick(goods), random.pick(ports)] as const;
    cargoes.set(cargo.join(), cargo);
  }
  const rows = [...cargoes.values()].map((cargo) => row(random.pick(sentences), cargo));
  return { training: rows.slice(0, trainingRows), heldOut: rows.slice(trainingRows) };
}

function row(sentence: (typeof sentences)[number], cargo: Cargo): Row {
  const [ship, casks, good, port] = cargo;
  return {
    messages: [
      { role: 'user', content: sentence(...cargo) },
      { role: 'assistant', content: `ship: ${ship}; goods: ${good}; casks: ${casks}; port: ${port}` },
    ],
  };
}

export function jsonLines(rows: readonly Row[]): string {
  return rows.map((each) => `${JSON.stringify(each)}\n`).join('');
}

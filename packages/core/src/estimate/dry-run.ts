import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Backend, ProgramEstimate, TensorStore } from '../program/backend.js';
import type { Program } from '../program/program.js';
import { bytesInStore } from '../storage/bytes-in-store.js';
import { anyValue, createShapeStore, type ShapeStore } from './shape-store.js';

/** Memory in use at a moment of a dry run. */
export interface DryUse {
  /** Stored tensors, by the first part of their names: `optimizer`, `gradient`, and all others as `weights`. */
  readonly weightBytes: number;
  readonly optimizerBytes: number;
  readonly gradientBytes: number;
  /** Of all programs that are compiled: each keeps its peak for its next run. */
  readonly activationBytes: number;
  readonly updateBytes: number;
  readonly fedBytes: number;
  readonly nodes: number;
  readonly programs: number;
}

/** A backend that computes nothing and counts what running would take. */
export interface DryRun {
  readonly backend: Omit<Backend, 'createStore'> & { createStore(): ShapeStore };
  /** What is in use now. */
  now(): DryUse;
  /** What was in use when it was the most. */
  peak(): DryUse;
  /** Matrix products of all runs so far. */
  flops(): number;
}

/**
 * Lets a trainer, an evaluation or a generator run over shapes alone, so that what they compile, keep and free is
 * counted as they do it. Programs are estimated when they are compiled; running one returns arbitrary numbers.
 * @param bytesPerNode what weighs a program's nodes against bytes where the peak is sought
 * @throws CAPABILITY_MISSING for a backend that cannot tell
 */
export function createDryRun(backend: Backend, bytesPerNode: number): DryRun {
  const estimate = backend.estimate?.bind(backend);
  if (estimate === undefined) {
    throw new TunesmithError('CAPABILITY_MISSING', `the backend ${backend.name} cannot estimate a program`);
  }
  const stores: ShapeStore[] = [];
  const compiled = new Set<ProgramEstimate>();
  let most: DryUse | undefined;
  let flops = 0;

  const now = (): DryUse => useOf(stores, compiled);
  const weigh = (use: DryUse): number => totalBytes(use) + use.nodes * bytesPerNode;
  const note = (): void => {
    const use = now();
    if (most === undefined || weigh(use) > weigh(most)) most = use;
  };

  /** A run that meets more shapes than it keeps programs for compiles the same ones again and again. */
  const known = new Map<string, ProgramEstimate>();
  const estimateOnce = (program: Program, { specs, version }: ShapeStore): ProgramEstimate => {
    const key = `${version} ${program.name}`;
    const found = known.get(key) ?? estimate(program, specs);
    known.set(key, found);
    return found;
  };

  return {
    backend: {
      name: `${backend.name}, dry`,
      estimate,
      createStore() {
        const store = createShapeStore();
        stores.push(store);
        return store;
      },
      async compile(program, store: TensorStore) {
        // An entry of its own for each that is compiled: what counts is how many are at a time.
        const estimated = { ...estimateOnce(program, store as ShapeStore) };
        compiled.add(estimated);
        note();
        return {
          info: {},
          async run() {
            flops += estimated.matmulFlops;
            return Object.fromEntries(Object.entries(estimated.outputs).map(([name, spec]) => [name, anyValue(spec)]));
          },
          async dispose() {
            compiled.delete(estimated);
          },
        };
      },
    },
    now,
    peak: () => most ?? now(),
    flops: () => flops,
  };
}

/** All but the nodes. */
export function totalBytes(use: DryUse): number {
  const { weightBytes, optimizerBytes, gradientBytes, activationBytes, updateBytes, fedBytes } = use;
  return weightBytes + optimizerBytes + gradientBytes + activationBytes + updateBytes + fedBytes;
}

function useOf(stores: readonly ShapeStore[], compiled: ReadonlySet<ProgramEstimate>): DryUse {
  const stored = { weights: 0, optimizer: 0, gradient: 0 };
  for (const [name, spec] of stores.flatMap(({ specs }) => [...specs])) {
    const [kind] = name.split('/', 1);
    stored[kind === 'optimizer' || kind === 'gradient' ? kind : 'weights'] += bytesInStore(spec);
  }
  const sum = (pick: (estimate: ProgramEstimate) => number): number =>
    [...compiled].reduce((total, estimate) => total + pick(estimate), 0);
  return {
    weightBytes: stored.weights,
    optimizerBytes: stored.optimizer,
    gradientBytes: stored.gradient,
    activationBytes: sum(({ activationBytes }) => activationBytes),
    updateBytes: sum(({ updateBytes }) => updateBytes),
    fedBytes: sum(({ fedBytes }) => fedBytes),
    nodes: sum(({ nodes }) => nodes),
    programs: compiled.size,
  };
}

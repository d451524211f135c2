/** What is wrong with a run on purpose; `healthy` where nothing is. */
export type Planted =
  | 'healthy'
  | 'rate-too-high'
  | 'rate-too-low'
  | 'overfitting'
  | 'too-few-epochs'
  | 'too-many-epochs'
  | 'batch-too-small';

/** How a run of the bundled model is made. */
export interface PlantedRun {
  readonly name: string;
  readonly planted: Planted;
  readonly task: 'notes' | 'exercises';
  readonly seed: number;
  /** Rows that it is trained on, some steps of so many each. */
  readonly rows: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly schedule: 'cosine' | 'constant' | 'linear';
}

type Settings = Omit<PlantedRun, 'name' | 'planted' | 'task' | 'seed'>;

/** What is right for each task: the rate of the quickstart, and steps until the held-out loss hardly falls any more. */
const right: Readonly<Record<PlantedRun['task'], Settings>> = {
  notes: { rows: 320, steps: 96, batchSize: 4, learningRate: 5e-3, schedule: 'linear' },
  exercises: { rows: 600, steps: 72, batchSize: 4, learningRate: 5e-3, schedule: 'linear' },
};

/** What differs from that, for each seed in turn. */
const wrong: Readonly<Record<Planted, readonly Partial<Settings>[]>> = {
  healthy: [{}, { schedule: 'cosine' }, { batchSize: 8 }, { learningRate: 3e-3 }],
  // 10 to 40 times too high, and 50 to 150 times too low.
  'rate-too-high': [0.1, 0.05, 0.2, 0.07].map((learningRate) => ({ learningRate, steps: 60 })),
  'rate-too-low': [5e-5, 1e-4, 3e-5, 7e-5].map((learningRate) => ({ learningRate, steps: 60 })),
  // A few rows, which are learnt by heart.
  overfitting: [16, 12, 24, 16].map((rows) => ({ rows, steps: 90 })),
  // An eighth of the steps.
  'too-few-epochs': [
    { steps: 10 },
    { steps: 9, schedule: 'constant' },
    { steps: 11 },
    { steps: 10, schedule: 'cosine' },
  ],
  // Some forty steps are as many as these rows are good for at this rate.
  'too-many-epochs': [32, 40, 36, 32].map((rows) => ({ rows, steps: 120, learningRate: 1e-3 })),
  'batch-too-small': each({ batchSize: 1, steps: 72 }, [{}, { schedule: 'cosine' }, {}, { learningRate: 3e-3 }]),
};

function each(shared: Partial<Settings>, changes: readonly Partial<Settings>[]): Partial<Settings>[] {
  return changes.map((change) => ({ ...shared, ...change }));
}

export const plantedRuns: readonly PlantedRun[] = [1, 2, 3, 4].flatMap((seed) =>
  (['exercises', 'notes'] as const).flatMap((task) =>
    (Object.keys(wrong) as Planted[]).flatMap((planted) => {
      // More epochs over the notes go on helping a little, however few they are.
      const changes = task === 'notes' && planted === 'too-many-epochs' ? undefined : wrong[planted][seed - 1];
      return changes === undefined
        ? []
        : [{ name: `${task}, ${planted}, seed ${seed}`, planted, task, seed, ...right[task], ...changes }];
    }),
  ),
);

import { z } from 'zod';

/** The version of a trial's file. */
export const resultVersion = 1;

const numbers = z.record(z.string(), z.number());
const split = z.strictObject({ loss: z.number(), rows: z.int(), tokens: z.int(), metrics: numbers });

const costs = z.strictObject({
  /** Of the steps, without evaluations and checkpoints; compiling is in it. */
  trainSeconds: z.number(),
  evaluationSeconds: z.number(),
  /** The whole of the trial's process. */
  totalSeconds: z.number(),
  /** Median. */
  secondsPerStep: z.number().nullable(),
  tokensPerSecond: z.number().nullable(),
  steps: z.int(),
  tokens: z.int(),
  rows: z.int(),
  /** The most memory that the process held until training was over. */
  peakBytes: z.number(),
  residentBytes: z.strictObject({ mean: z.number(), percentile99: z.number() }).nullable(),
  /** Of the device's own memory; null where it has none or does not tell. */
  devicePeakBytes: z.number().nullable(),
  /** Of the processors, all of them; null where the machine exposes no counter. */
  joules: z.number().nullable(),
  /** Matrix products of a step, from the graph, and of all steps. */
  flopsPerStep: z.number().nullable(),
  flops: z.number().nullable(),
});

export const measurementSchema = z.strictObject({
  /** The test split of the model as it was; and both held-out splits as it is after training. */
  quality: z.strictObject({
    /** Null where the task puts a head on the model, which is worth nothing before it is trained. */
    untrained: split.nullable(),
    validation: split,
    test: split,
    /** Cross-entropy on the base's own domain, nats a token; null where the model has no such text or head. */
    forgetting: z.strictObject({ before: z.number(), after: z.number(), change: z.number() }).nullable(),
  }),
  curve: z.array(
    z.strictObject({
      step: z.int(),
      trainLoss: z.number().nullable(),
      validationLoss: z.number().nullable(),
      metrics: numbers,
    }),
  ),
  costs,
  size: z.strictObject({
    trainedParameters: z.int(),
    totalParameters: z.int(),
    /** Of the files that a trained adapter or model is. */
    adapterBytes: z.int(),
  }),
  /** Seconds of a forward pass per thousand tokens; null for a trial that is not reported or did not run alone. */
  inference: z
    .strictObject({
      /** The model without the method; null where the task's head is nothing that it has. */
      base: z.number().nullable(),
      /** With an adapter beside it, or the whole model that was trained. */
      separate: z.number(),
      /** With the adapter merged into the weights; null where it cannot be. */
      merged: z.number().nullable(),
    })
    .nullable(),
  /** What `plan` said before; null for a device that cannot tell. */
  plan: z.strictObject({ peakBytes: z.number(), seconds: z.number() }).nullable(),
});

/** What a trial's process measured. */
export type Measurement = z.output<typeof measurementSchema>;

const failureSchema = z.strictObject({
  /** `diverged`, `error`, `crashed`, `out-of-memory`, `timed-out`. */
  kind: z.enum(['error', 'diverged', 'crashed', 'out-of-memory', 'timed-out']),
  message: z.string(),
});

/** Why there is no measurement. */
export type TrialFailure = z.output<typeof failureSchema>;

export const outcomeSchema = z.union([
  z.strictObject({ status: z.literal('success'), measurement: measurementSchema }),
  z.strictObject({ status: z.literal('failed'), failure: failureSchema, totalSeconds: z.number() }),
]);

export type TrialOutcome = z.output<typeof outcomeSchema>;

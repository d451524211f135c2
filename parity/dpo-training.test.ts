/**
 * DPO against TRL's DPOTrainer: twenty steps of each loss from equal weights give equal losses, gradient norms, rewards and
 * adapters. What the fixtures hold and how they were recorded: README.md beside this file.
 */
import { dpo, type dpoConfigSchema } from '@tunesmith/rlhf-dpo';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { takePairSteps } from './recorded-pairs.js';
import { recordedCases } from './recorded-steps.js';

const topic = 'dpo-training';

describe('DPO takes the same steps as TRL', () => {
  it.each(Object.entries(recordedCases(topic)))('%s', async (name, recorded) => {
    const objective = dpo(recorded.options as z.input<typeof dpoConfigSchema>);
    await takePairSteps({
      ...{ topic, name, recorded, objective },
      onStep({ step, loss }) {
        // The model is its own reference as long as the update is zero.
        if (name === 'sigmoid' && step === 1) expect(loss).toBe(Math.fround(Math.LN2));
      },
    });
  });
});

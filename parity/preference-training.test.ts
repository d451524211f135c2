/**
 * ORPO, CPO and SimPO against TRL's ORPOTrainer and CPOTrainer: twenty steps from equal weights give equal losses, gradient
 * norms, rewards, log-odds and adapters. What the fixtures hold and how they were recorded: README.md beside this file.
 */
import type { ObjectiveFactory } from '@tunesmith/core';
import { cpo, orpo, simpo } from '@tunesmith/rlhf-dpo';
import { describe, it } from 'vitest';
import { takePairSteps } from './recorded-pairs.js';
import { recordedCases } from './recorded-steps.js';

const topic = 'preference-training';
const objectives: Record<string, ObjectiveFactory> = { orpo, cpo, simpo };

describe('objectives without a reference take the same steps as TRL', () => {
  it.each(Object.entries(recordedCases(topic)))('%s', async (name, recorded) => {
    const objective = (objectives[recorded.method as string] as ObjectiveFactory)(recorded.options);
    await takePairSteps({ topic, name, recorded, objective });
  });
});

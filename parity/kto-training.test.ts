/**
 * KTO against TRL's KTOTrainer: twenty steps from equal weights give equal losses, gradient norms, z0, rewards and adapters,
 * batches without good answers and without bad ones among them. How they were recorded: README.md beside this file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from '@tunesmith/core';
import { kto } from '@tunesmith/rlhf-dpo';
import { describe, it } from 'vitest';
import { z } from 'zod';
import { fixtures } from './fixture-values.js';
import { answered, takePairSteps } from './recorded-pairs.js';
import { recordedCases } from './recorded-steps.js';

const topic = 'kto-training';
const ids = z.array(z.int());
const rows = z
  .array(z.object({ prompt_ids: ids, completion_ids: ids, label: z.boolean() }))
  .parse(JSON.parse(readFileSync(join(fixtures, topic, 'rows.json'), 'utf8')))
  .map(({ prompt_ids, completion_ids, label }): Row => {
    return { ...answered(prompt_ids, completion_ids), labels: Float32Array.of(label ? 1 : 0) };
  });

describe('KTO takes the same steps as TRL', () => {
  it.each(Object.entries(recordedCases(topic)))('%s', async (name, recorded) => {
    await takePairSteps({ topic, name, recorded, rows, objective: kto(recorded.options) });
  });
});

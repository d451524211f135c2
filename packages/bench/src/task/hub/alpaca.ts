import { drawn, rowsOf } from '../sample-rows.js';
import type { TaskDefinition } from '../task.js';

const sizes = { validation: 100, test: 300 } as const;

/** Instructions and answers in Stanford Alpaca's form. */
export const alpaca: TaskDefinition = {
  name: 'alpaca',
  summary: 'Instructions of all kinds and their answers: the next token of the answer.',
  licence: 'CC BY 4.0 (the answers are of text-davinci-003, under OpenAI’s terms)',
  source: 'yahma/alpaca-cleaned on the Hub (Taori et al. 2023)',
  objective: { name: 'sft' },
  data: { format: 'alpaca', maxLength: 512, promptLossWeight: 0 },
  metric: { name: 'tokenAccuracy', ceiling: 1 },
  async rows({ dataset }) {
    const { train } = await dataset({ name: 'yahma/alpaca-cleaned', files: { train: 'alpaca_data_cleaned.json' } });
    const all = (await rowsOf(train)).map(({ instruction, input = '', output }) => ({ instruction, input, output }));
    const rows = drawn(all, all.length, 'alpaca');
    const held = sizes.test + sizes.validation;
    return { test: rows.slice(0, sizes.test), validation: rows.slice(sizes.test, held), train: rows.slice(held) };
  },
};

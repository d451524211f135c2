import { drawn, rowsOf } from '../sample-rows.js';
import type { TaskDefinition } from '../task.js';
import { gsm8kFiles, gsm8kRows, mathRow, mathTask } from './math-rows.js';

/** Rows that the comparison's 5,000 steps of 4 see. */
const trained = 20_000;
const held = 50;
/** Longer ones are left out there. */
const mostCharacters = 1300;

/** PEFT's method comparison: trained on MetaMathQA, validated on 50 rows of GSM8K's training split, tested on its test split. */
export const metaMathGsm8k: TaskDefinition = {
  ...mathTask,
  name: 'metamath-gsm8k',
  summary:
    'Word problems of primary school, reasoned out to a number; trained on MetaMathQA, as PEFT’s method comparison is.',
  licence: 'MIT (MetaMathQA and GSM8K)',
  source: 'meta-math/MetaMathQA and openai/gsm8k on the Hub (Yu et al. 2023; Cobbe et al. 2021)',
  async rows({ dataset }) {
    const { metamath } = await dataset({
      name: 'meta-math/MetaMathQA',
      files: { metamath: 'MetaMathQA-395K.json' },
    });
    const files = await dataset(gsm8kFiles);
    const short = (await rowsOf(metamath)).filter(
      ({ query, response }) => `${query} ${response}`.length <= mostCharacters,
    );
    return {
      train: drawn(short, trained, 'metamath').map(({ query, response }) => mathRow(query, response)),
      validation: drawn(await gsm8kRows(files.train), held, 'gsm8k'),
      test: await gsm8kRows(files.test),
    };
  },
};

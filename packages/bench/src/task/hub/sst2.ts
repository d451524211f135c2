import { drawn, rowsOf } from '../sample-rows.js';
import type { TaskDefinition, TaskRow } from '../task.js';

const labels = ['negative', 'positive'] as const;
const held = 500;

/** The Stanford Sentiment Treebank as GLUE has it: the public validation split is what is tested. */
export const sst2: TaskDefinition = {
  name: 'sst2',
  summary: 'Is a sentence of a film review positive?',
  licence: 'none stated by its authors; for research',
  source: 'stanfordnlp/sst2 on the Hub (Socher et al. 2013; GLUE, Wang et al. 2019)',
  objective: { name: 'classification', labels: [...labels] },
  data: { format: 'labelled', maxLength: 128 },
  // 444 of the 872 sentences are positive.
  metric: { name: 'accuracy', chance: 0.509, ceiling: 1 },
  async rows({ dataset }) {
    const files = await dataset({
      name: 'stanfordnlp/sst2',
      files: { train: 'data/train-00000-of-00001.parquet', dev: 'data/validation-00000-of-00001.parquet' },
    });
    const [all, test] = [await labelled(files.train), await labelled(files.dev)];
    const validation = drawn(all, held, 'sst2');
    const kept = new Set(validation);
    return { train: all.filter((row) => !kept.has(row)), validation, test };
  },
};

async function labelled(file: string): Promise<TaskRow[]> {
  const rows = await rowsOf(file, ['sentence', 'label']);
  return rows.map(({ sentence, label }) => ({ text: String(sentence).trim(), label: labels[Number(label)] }));
}

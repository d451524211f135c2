import { apiVersion } from '../../method/method.js';
import { type Tensor, tf } from '../../tensor/tfjs.js';
import { defineObjective } from '../define-objective.js';
import { collateTexts } from './collate-texts.js';
import { type ContrastiveConfig, contrastiveConfigSchema } from './contrastive-config.js';
import { contrastiveLoss } from './contrastive-losses.js';
import { embedTexts } from './embed-texts.js';
import { measureVectors } from './measure-vectors.js';

/** Why rows of a batch cannot be computed apart. */
const coupled: Readonly<Record<ContrastiveConfig['loss'], string | undefined>> = {
  'multiple-negatives': 'what a text is told from are the other texts of its batch',
  cosent: 'its loss compares every two pairs of a batch',
  cosine: undefined,
};

/**
 * Vectors of texts, learnt from texts that are alike (InfoNCE, van den Oord et al. 2018; Sentence-BERT, Reimers and Gurevych 2019). What it
 * predicts of a row is the vectors of its first two texts, one behind the other, or that of its one.
 */
export const contrastive = defineObjective({
  name: 'contrastive',
  apiVersion,
  summary: 'Vectors of texts: what is alike is near, and nearer than what is not',
  config: contrastiveConfigSchema,
  rows: 'positives',
  unpackable: 'each text has a vector of its own',
  create(config) {
    const { loss } = config;
    const scored = loss !== 'multiple-negatives';
    const why = coupled[loss];
    return {
      task: 'embedding',
      rows: scored ? 'similarities' : 'positives',
      rowsEach: scored ? 2 : 2 + config.negatives,
      ...(why === undefined ? {} : { coupled: why }),
      collate: (rows, options) => collateTexts(rows, options, config),
      losses: (model, columns, t) => [contrastiveLoss(embedTexts(model, columns, t, config), columns, config)],
      predictions: {
        predict(model, columns, t) {
          const vectors = embedTexts(model, columns, t, config); // [rows · texts, hidden]
          const rows = columns.rowWeights?.shape[0] as number;
          const [all, hidden] = vectors.shape as [number, number];
          const texts = all / rows;
          const first = tf.slice(
            tf.reshape(vectors, [rows, texts, hidden]),
            [0, 0, 0],
            [rows, Math.min(2, texts), hidden],
          );
          return tf.reshape(first as Tensor, [rows, -1]);
        },
        measure: (rows, predictions) => measureVectors(rows, predictions, config),
      },
    };
  },
});

import {
  type Handle,
  type ModelBuilder,
  type ModelShape,
  type Task,
  type TaskHead,
  type TaskModel,
  tf,
} from '@tunesmith/core';
import { buildEncoderBlock } from './encoder-block.js';
import type { EncoderConfig } from './encoder-config.js';
import { buildAnswerHead, buildMaskedHead, buildSequenceHead, buildTokenHead } from './encoder-heads.js';
import type { EncoderLayout } from './encoder-layout.js';

/** What encoders have heads for. */
export const encoderTasks = [
  'masked-lm',
  'sequence-classification',
  'token-classification',
  'question-answering',
  'embedding',
] as const satisfies readonly [Task, ...Task[]];

/** An encoder in the manner of BERT (Devlin et al. 2018), with the head of one task. */
export function buildEncoder(
  builder: ModelBuilder,
  config: EncoderConfig,
  layout: EncoderLayout,
  { task, labels }: TaskHead,
): TaskModel {
  const model = builder.child(layout.prefix);
  const { embed, weight } = buildEmbeddings(model, config, layout);
  const blocks = Array.from({ length: config.layers }, (_, depth) =>
    buildEncoderBlock(model.child(`${layout.blocks}.${depth}`, depth), config, layout.block),
  );
  const hidden: TaskModel['hidden'] = (t, columns) => blocks.reduce((x, block) => block(t, x), embed(t, columns));
  switch (task) {
    case 'masked-lm':
      return { hidden, ...buildMaskedHead(builder, config, layout, weight) };
    case 'sequence-classification':
      return { hidden, ...buildSequenceHead(builder, config, layout, labels) };
    case 'token-classification':
      return { hidden, ...buildTokenHead(builder, config, labels) };
    case 'question-answering':
      return { hidden, ...buildAnswerHead(builder, config) };
    default:
      return { hidden };
  }
}

export function describeEncoder(config: EncoderConfig, layout: EncoderLayout): ModelShape {
  const { vocabularySize, hiddenSize, layers, positions } = config;
  return { vocabularySize, hiddenSize, layers, maxPositions: positions - firstPosition(config, layout) };
}

function firstPosition({ padToken }: EncoderConfig, { positionsAfterPadding }: EncoderLayout): number {
  return positionsAfterPadding ? padToken + 1 : 0;
}

/** Sums the embeddings of token, kind of text and position, norms the sum, and projects it where it is narrower. */
function buildEmbeddings(
  model: ModelBuilder,
  config: EncoderConfig,
  layout: EncoderLayout,
): { embed: TaskModel['hidden']; weight: Handle } {
  const { vocabularySize, positions, tokenTypes, embeddingSize: features, hiddenSize, epsilon } = config;
  const inside = model.child('embeddings');
  const ofToken = inside.embedding('word_embeddings', { role: 'embedding.token', rows: vocabularySize, features });
  const ofPosition = inside.embedding('position_embeddings', { role: 'embedding.position', rows: positions, features });
  const ofType =
    tokenTypes === 0
      ? undefined
      : inside.embedding('token_type_embeddings', { role: 'embedding.type', rows: tokenTypes, features });
  const norm = inside.norm('LayerNorm', { kind: 'layer', features, epsilon });
  const project =
    features === hiddenSize
      ? undefined
      : model.linear('embeddings_project', {
          role: 'embedding.projection',
          inFeatures: features,
          outFeatures: hiddenSize,
          bias: true,
        });
  const first = firstPosition(config, layout);
  return {
    weight: ofToken.weight,
    embed(t, { ids, positions: at, tokenTypes: types }) {
      const counted = first === 0 ? at : tf.add(at, tf.scalar(first, 'int32'));
      let sum = tf.add(ofToken(t, ids), ofPosition(t, counted)); // [batch, seq, embedding]
      if (ofType !== undefined) {
        sum = tf.add(sum, ofType(t, types ?? tf.zeros(ids.shape as [number, number], 'int32')));
      }
      const normed = norm(t, sum);
      return project === undefined ? normed : project(t, normed); // [batch, seq, hidden]
    },
  };
}

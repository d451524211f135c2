import {
  type Handle,
  type ModelBuilder,
  type SiteFunction,
  type Task,
  type TaskModel,
  type Tensor,
  tf,
} from '@tunesmith/core';

/** What encoders have heads for. */
export const encoderTasks = ['masked-lm', 'sequence-classification', 'embedding'] as const satisfies readonly [
  Task,
  ...Task[],
];

export interface EmbeddingsOptions {
  readonly vocabularySize: number;
  readonly features: number;
  readonly positions: number;
  /** Kinds of texts; none where the family doesn't tell them apart. */
  readonly tokenTypes?: number;
  /** What a token's position is counted from. */
  readonly firstPosition?: number;
  readonly epsilon: number;
}

/** Sums the embeddings of token, token type and position, and norms the sum. → `[batch, seq, features]` */
export function buildEmbeddings(
  model: ModelBuilder,
  options: EmbeddingsOptions,
): { embed: TaskModel['hidden']; weight: Handle } {
  const { vocabularySize, features, positions, tokenTypes, firstPosition = 0, epsilon } = options;
  const inside = model.child('embeddings');
  const ofToken = inside.embedding('word_embeddings', { role: 'embedding.token', rows: vocabularySize, features });
  const ofPosition = inside.embedding('position_embeddings', { role: 'embedding.position', rows: positions, features });
  const ofType =
    tokenTypes === undefined
      ? undefined
      : inside.embedding('token_type_embeddings', { role: 'embedding.type', rows: tokenTypes, features });
  const norm = inside.norm('LayerNorm', { kind: 'layer', features, epsilon });
  return {
    weight: ofToken.weight,
    embed(t, { ids, positions: at, tokenTypes: types = tf.zeros(ids.shape as [number, number], 'int32') }) {
      const shifted = firstPosition === 0 ? at : tf.add(at, tf.scalar(firstPosition, 'int32'));
      const parts: Tensor[] = [ofToken(t, ids), ofPosition(t, shifted)];
      if (ofType !== undefined) parts.push(ofType(t, types));
      return norm(
        t,
        parts.reduce((sum, part) => tf.add(sum, part)),
      );
    },
  };
}

/** `[batch, seq, hidden]` → each sequence's first token, `[batch, hidden]`. */
export function firstTokens(hidden: Tensor): Tensor {
  const [batch = 0, , features = 0] = hidden.shape;
  return tf.reshape(tf.slice(hidden, [0, 0, 0], [batch, 1, features]), [batch, features]);
}

/** One block after another. */
export function throughBlocks(blocks: readonly SiteFunction<'block'>[]): SiteFunction<'block'> {
  return (t, x) => blocks.reduce((stream, block) => block(t, stream), x);
}

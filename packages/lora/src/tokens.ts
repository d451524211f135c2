/**
 * Trains the embeddings of some tokens and keeps only their rows: PEFT's `trainable_token_indices`
 * (peft/tuners/trainable_tokens/layer.py). A head that shares the embedding's weight follows, so that the model stays tied.
 */
import {
  type EmbeddingSite,
  type Handle,
  type LinearSite,
  matchesName,
  type Patcher,
  type Tensor,
  type Trace,
  TunesmithError,
  tf,
} from '@tunesmith/core';
import type { LoraConfig } from './config.js';

/** PEFT's name of the rows, which are the embeddings themselves and no differences. */
export const tokenRowsName = 'token_adapter.trainable_tokens_delta';

/** Token ids for the model's token embedding, or by module name. */
type TokenIndices = NonNullable<LoraConfig['trainableTokenIndices']>;

type TokenSite = EmbeddingSite | LinearSite;

/** Declares the rows; returns the tokens that each of them stands for. */
export function trainTokens(
  patcher: Patcher,
  { trainableTokenIndices: indices }: LoraConfig,
  targets: ReadonlySet<string>,
): ReadonlyMap<Handle, readonly number[]> {
  const tokensByRows = new Map<Handle, readonly number[]>();
  if (indices === undefined) return tokensByRows;
  const sites: readonly TokenSite[] = [...patcher.sites('embedding'), ...patcher.sites('linear')];
  const done = new Map<Handle, readonly number[]>();
  for (const { site, tokens } of namedSites(sites, indices)) {
    const { weightHandle } = site;
    checkTokens(site, tokens, done.get(weightHandle));
    if (done.has(weightHandle)) continue;
    done.set(weightHandle, tokens);
    const features = weightHandle.shape[1] as number;
    const sharing = sites.filter((other) => other.weightHandle === weightHandle).map(({ path }) => path);
    const target = sharing.find((path) => targets.has(path));
    if (target !== undefined) {
      throw new TunesmithError('CONFIG_INVALID', 'a module is a target and has tokens of its own', {
        where: target,
        hint: 'Train the whole module by LoRA, or some of its rows.',
      });
    }
    let rows: Handle;
    patcher.wrap(['embedding', 'linear'], { include: sharing }, (shared) => {
      rows ??= shared.parameter(tokenRowsName, {
        shape: [tokens.length, features],
        init: async ({ readBase }) => rowsOf(await readBase(weightHandle.path), tokens, features),
      });
      tokensByRows.set(rows, tokens);
      const moved = (t: Trace): Tensor => tf.sub(t.value(rows), tf.gather(t.value(weightHandle), [...tokens]));
      return shared.kind === 'embedding'
        ? (ids, next, t) => tf.add(next(ids), movedEmbeddings(ids, tokens, moved(t)))
        : (x, next, t) => tf.add(next(x), movedLogits(x, tokens, moved(t), shared.outFeatures));
    });
  }
  return tokensByRows;
}

/** What the tokens among `ids` [batch, seq] have moved by, [batch, seq, features]; zero for all others. */
function movedEmbeddings(ids: Tensor, tokens: readonly number[], moved: Tensor): Tensor {
  const which = tf.equal(tf.expandDims(ids, -1), tf.tensor1d([...tokens], 'int32')); // [batch, seq, tokens]
  const flat = tf.reshape(tf.cast(which, 'float32'), [-1, tokens.length]);
  return tf.reshape(tf.matMul(flat, moved), [...ids.shape, moved.shape[1] as number]);
}

/** What the tokens' logits have moved by for x [.., features], [.., vocabulary]; zero for all others. */
function movedLogits(x: Tensor, tokens: readonly number[], moved: Tensor, vocabulary: number): Tensor {
  const flat = tf.reshape(x, [-1, moved.shape[1] as number]);
  const logits = tf.matMul(flat, moved, false, true); // [.., tokens]
  const places = tf.cast(tf.oneHot(tf.tensor1d([...tokens], 'int32'), vocabulary), 'float32'); // [tokens, vocabulary]
  return tf.reshape(tf.matMul(logits, places), [...x.shape.slice(0, -1), vocabulary]);
}

function rowsOf(values: Float32Array, tokens: readonly number[], features: number): Float32Array {
  const rows = new Float32Array(tokens.length * features);
  tokens.forEach((token, index) => {
    rows.set(values.subarray(token * features, (token + 1) * features), index * features);
  });
  return rows;
}

function namedSites(
  sites: readonly TokenSite[],
  indices: TokenIndices,
): { readonly site: TokenSite; readonly tokens: readonly number[] }[] {
  if (Array.isArray(indices)) {
    return sites.filter(({ role }) => role === 'embedding.token').map((site) => ({ site, tokens: indices }));
  }
  return Object.entries(indices).flatMap(([name, tokens]) => {
    const named = sites.filter(({ path }) => matchesName(path, name));
    if (named.length > 0) return named.map((site) => ({ site, tokens }));
    throw new TunesmithError('NAME_UNKNOWN', `"${name}" is no embedding or linear module of this model`, {
      where: 'lora.trainableTokenIndices',
    });
  });
}

function checkTokens({ path, weightHandle }: TokenSite, tokens: readonly number[], before?: readonly number[]): void {
  const where = `lora.trainableTokenIndices at ${path}`;
  const rows = weightHandle.shape[0] as number;
  const outside = tokens.find((token) => token >= rows);
  if (outside !== undefined) {
    throw new TunesmithError('CONFIG_INVALID', `there is no token ${outside}`, { where, expected: `0 to ${rows - 1}` });
  }
  if (new Set(tokens).size < tokens.length) {
    throw new TunesmithError('CONFIG_INVALID', 'a token is named twice', { where, got: tokens.join(', ') });
  }
  if (before !== undefined && before.join() !== tokens.join()) {
    throw new TunesmithError('CONFIG_INVALID', 'two modules that share one weight name different tokens', { where });
  }
}

import {
  type AnySite,
  type AttentionSite,
  type Derived,
  type Handle,
  type Patcher,
  type Tensor,
  TunesmithError,
  tf,
} from '@tunesmith/core';

/** What a prefix must be for a model: `layers` keys and as many values, each `[tokens, keyHeads, headDim]`. */
export interface PrefixShape {
  readonly layers: number;
  readonly keyHeads: number;
  readonly headDim: number;
  /** keyHeads · headDim: PEFT's `token_dim`. */
  readonly width: number;
}

/** Where tokens attend to tokens: what an encoder reads, and a decoder of that, has no prefix, as in PEFT. */
export function prefixSites(sites: readonly AnySite[]): AttentionSite[] {
  return sites.filter(
    (site): site is AttentionSite => site.kind === 'attention' && site.from === 'tokens' && site.over === 'tokens',
  );
}

/** @throws CAPABILITY_MISSING for a model whose layers differ */
export function prefixShape(sites: readonly AttentionSite[], method: string): PrefixShape {
  const [first] = sites;
  const same = sites.every(({ keyHeads, headDim }) => keyHeads === first?.keyHeads && headDim === first.headDim);
  if (first === undefined || !same) {
    throw new TunesmithError('CAPABILITY_MISSING', 'one prefix needs layers with keys of one shape', {
      where: method,
      got: sites.map(({ path, keyHeads, headDim }) => `${path} [${keyHeads}, ${headDim}]`).join(', ') || 'no attention',
    });
  }
  const { keyHeads, headDim } = first;
  return { layers: sites.length, keyHeads, headDim, width: keyHeads * headDim };
}

/**
 * Puts a prefix `[tokens, layers · 2 · width]` before every layer's keys and values: for layer l the keys are the part 2l, the
 * values the part 2l + 1 (peft/peft_model.py, `get_prompt`). Positions begin behind it. Where an encoder reads another text, PEFT
 * deals parts out to attention and cross-attention in turn and drops the latter's: layer l has the parts 4l and 4l + 1 of the
 * same tensor twice over, so that two layers share a prefix, and half of the parts are read by nobody.
 */
export function attendToPrefix(patcher: Patcher, prefix: Handle | Derived, tokens: number, dropout = 0): void {
  const sites = prefixSites(patcher.sites('attention'));
  const { keyHeads, headDim, width } = prefixShape(sites, prefix.owner);
  const layers = new Map(sites.map(({ path }, layer) => [path, layer]));
  const texts = patcher.model.task === 'seq2seq-lm' ? 2 : 1;
  patcher.shiftPositions(tokens);
  patcher.wrap('attention', { include: [...layers.keys()] }, ({ path }) => {
    const layer = layers.get(path) as number;
    return (call, next, t) => {
      const rows = call.query.shape[0] as number;
      const part = (index: number): Tensor => {
        const place = ((2 * texts * layer) % (2 * layers.size)) + index;
        const flat = tf.slice(t.value(prefix), [0, place * width], [tokens, width]);
        const heads = tf.transpose(tf.reshape(flat, [1, tokens, keyHeads, headDim]), [0, 2, 1, 3]);
        return t.dropout(tf.tile(heads, [rows, 1, 1, 1]), dropout); // [batch, keyHeads, tokens, headDim]
      };
      const [key, value] = [part(0), part(1)];
      const outer = call.prefix;
      const joined =
        outer === undefined
          ? { key, value }
          : { key: tf.concat([outer.key, key], 2), value: tf.concat([outer.value, value], 2) };
      return next({ ...call, prefix: joined });
    };
  });
}

import {
  type Handle,
  type HostArray,
  type Json,
  type LinearSite,
  type Patcher,
  type StageHost,
  TunesmithError,
} from '@tunesmith/core';

/** By the path of a linear layer, which of its nodes go on training, ascending. */
export type Learners = Readonly<Record<string, readonly number[]>>;

/** The name of the buffer beside a linear layer that says how far each node has moved. */
export const movedName = 'moved';

/** The linear layers of all feed-forward layers. @throws CAPABILITY_MISSING where there are none */
export function feedForwardLayers(patcher: Pick<Patcher, 'sites'>): LinearSite[] {
  const layers = patcher.sites('linear').filter(({ role }) => role.startsWith('mlp.'));
  if (layers.length > 0) return layers;
  throw new TunesmithError('CAPABILITY_MISSING', 'this model has no feed-forward layers to choose nodes of', {
    where: 'far',
  });
}

/** What the next stage trains: of each layer the share `keep` of nodes that moved most, where equal the first. */
export async function chooseLearners({ handles, read }: StageHost, keep: number): Promise<Json> {
  const suffix = `.${movedName}`;
  const buffers = handles.filter(({ path, kind }) => kind === 'buffer' && path.endsWith(suffix));
  const learners: Record<string, number[]> = {};
  for (const buffer of buffers) {
    learners[buffer.path.slice(0, -suffix.length)] = largestAt(await read(buffer), keep);
  }
  return learners;
}

/** Where the largest values are, a share of all but at least one, ascending. */
export function largestAt(values: Float32Array, share: number): number[] {
  const count = Math.max(1, Math.round(share * values.length));
  const order = Array.from(values, (_, index) => index);
  order.sort((a, b) => (values[b] as number) - (values[a] as number) || a - b);
  return order.slice(0, count).sort((a, b) => a - b);
}

/** The nodes' rows of a weight as the checkpoint stores it, `[nodes, in]`. */
export function nodeRows(
  stored: HostArray,
  nodes: readonly number[],
  { layout, inFeatures, outFeatures }: Pick<LinearSite, 'layout' | 'inFeatures' | 'outFeatures'>,
): Float32Array {
  const [nodeStride, inStride] = layout === 'out-in' ? [inFeatures, 1] : [1, outFeatures];
  const rows = new Float32Array(nodes.length * inFeatures);
  for (const [index, node] of nodes.entries()) {
    for (let column = 0; column < inFeatures; column++) {
      rows[index * inFeatures + column] = stored[node * nodeStride + column * inStride] as number;
    }
  }
  return rows;
}

/** The weight and bias of a layer. */
export function weightsOf({ weightHandle, biasHandle }: LinearSite): Handle[] {
  return biasHandle === null ? [weightHandle] : [weightHandle, biasHandle];
}

import {
  type CollatedTokens,
  type CollateOptions,
  collateTokens,
  type HostTensor,
  type Row,
  type Target,
} from '@tunesmith/core';

type Text = Pick<Row, 'tokens' | 'weights'>;

/**
 * Two texts in one row: what both begin with, then the rest of each, which do not see each other. `branches` is 1, 2 and 3 for these, and 0
 * in the padding; positions are those of each text.
 */
export interface SharedTexts {
  readonly row: Row;
  readonly branches: Int32Array;
  /** Where each text's token lies in the row. */
  indexOf(side: number, token: number): number;
}

export function shareTexts([chosen, rejected]: readonly [Text, Text]): SharedTexts {
  const shared = sharedLength(chosen, rejected);
  const rest = rejected.tokens.subarray(shared);
  const tokens = Int32Array.from([...chosen.tokens, ...rest]);
  const positions = Int32Array.from([...chosen.tokens.keys(), ...Array.from(rest, (_, index) => shared + index)]);
  const branches = new Int32Array(tokens.length).fill(1, 0, shared).fill(2, shared, chosen.tokens.length);
  branches.fill(3, chosen.tokens.length);
  return {
    row: { tokens, positions, weights: new Float32Array(tokens.length) },
    branches,
    indexOf: (side, token) => (side === 0 || token < shared ? token : chosen.tokens.length + token - shared),
  };
}

/** Tokens that both texts begin with and neither learns as its answer's. */
function sharedLength(one: Text, other: Text): number {
  const most = Math.min(one.tokens.length, other.tokens.length);
  let length = 0;
  while (
    length < most &&
    one.tokens[length] === other.tokens[length] &&
    !(one.weights[length] || other.weights[length])
  )
    length++;
  return length;
}

/** Rows of shared texts as columns, with `branches` in the place of segments. They may be twice as long as a text. */
export function collateShared(
  pairs: readonly SharedTexts[],
  options: CollateOptions,
): {
  readonly length: number;
  readonly columns: Omit<CollatedTokens['columns'], 'segments'> & { readonly branches: HostTensor };
} {
  const rows = pairs.map(({ row, branches }) => ({ ...row, segments: branches }));
  const { length, columns } = collateTokens(rows, { ...options, maxLength: 2 * options.maxLength });
  const { segments: branches, ...tokens } = columns;
  return { length, columns: { ...tokens, branches } };
}

/** Targets of texts, at the places that their positions have in the shared rows. Positions are of texts laid out `[2n, width]`. */
export function sharedTargets(
  targets: readonly Target[],
  pairs: readonly SharedTexts[],
  { width, length }: { readonly width: number; readonly length: number },
): Target[] {
  return targets.map((target) => {
    const pair = Math.floor(target.row / 2);
    const at = (pairs[pair] as SharedTexts).indexOf(target.row % 2, target.position - target.row * width);
    return { ...target, position: pair * length + at };
  });
}

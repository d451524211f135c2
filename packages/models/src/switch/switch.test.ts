import { describe, expect, it } from 'vitest';
import { familyFor } from '../families.js';
import { switchTransformers } from './switch.js';

const parse = (json: Record<string, unknown>) =>
  switchTransformers.parseConfig({ model_type: 'switch_transformers', ...json }).experts;

describe('Switch Transformers', () => {
  it('are known by their model_type', () => {
    expect(familyFor({ model_type: 'switch_transformers' })).toBe(switchTransformers);
  });

  // What encoder_sparse_step of transformers' configuration comes to.
  it.each([
    [{ num_layers: 6, num_sparse_encoder_layers: 3 }, [1, 3, 5]],
    [{ num_layers: 7, num_sparse_encoder_layers: 2 }, [1, 4]],
    [{ num_layers: 3, num_sparse_encoder_layers: 3 }, [0, 1, 2]],
    [{ num_layers: 2, num_sparse_encoder_layers: 4 }, []],
    [{ num_layers: 6, num_sparse_encoder_layers: 0 }, [1]],
  ])('have experts in the blocks that %o says', (config, blocks) => {
    const sparse = parse(config)?.encoder ?? [];
    expect(sparse.flatMap((isSparse, index) => (isSparse ? [index] : []))).toEqual(blocks);
  });

  it.each([{ router_bias: true }, { router_dtype: 'bfloat16' }, { is_gated_act: true }])(
    'are refused where %o changes what they compute',
    (config) => {
      const [key] = Object.keys(config);
      expect(() => parse(config)).toThrow(new RegExp(`CONFIG_INVALID.*${key}`, 's'));
    },
  );
});

/**
 * The 256 values of bitsandbytes' dynamic 8-bit types, sorted (Dettmers 2016, arXiv:1511.04561; bitsandbytes/functional.py,
 * `create_dynamic_map`): 0, 1, and for each exponent e of 0..6 the means between evenly spaced numbers of 0.1..1, times
 * 10^(e−6). With signs there are 2^e means, of both signs, and the lowest value is −0.993, not −1; without, 2^(e+1).
 */
export function dynamicMap(signed = true): Float32Array {
  const values = [0, 1];
  for (let exponent = 0; exponent < 7; exponent++) {
    const count = 2 ** (signed ? exponent : exponent + 1);
    const edges = evenlySpaced(count + 1);
    const scale = Math.fround(10 ** (exponent - 6));
    for (let index = 0; index < count; index++) {
      const mean = Math.fround(Math.fround((edges[index] as number) + (edges[index + 1] as number)) / 2);
      const value = Math.fround(scale * mean);
      values.push(value, ...(signed ? [-value] : []));
    }
  }
  return Float32Array.from(values).sort();
}

/** `torch.linspace(0.1, 1, count)` in float32, bit by bit: from both ends, each step fused with its addition. */
function evenlySpaced(count: number): Float32Array {
  const [start, end] = [Math.fround(0.1), 1];
  const step = Math.fround(Math.fround(end - start) / (count - 1));
  return Float32Array.from({ length: count }, (_, index) =>
    index < count / 2 ? start + step * index : end - step * (count - 1 - index),
  );
}

import type { Handle, LinearSite, MergeHost } from '@tunesmith/core';

/**
 * weight += sign · diag(b)·B · diag(d)·A: weight [out, in], and the corners of A [rank, widest] and B [tallest, rank] that a
 * site takes. False where the method left the site alone.
 */
export async function addScaledProduct(
  site: LinearSite,
  weight: Float32Array,
  host: MergeHost,
  sign: 1 | -1,
  [handleA, handleB]: readonly Handle[],
): Promise<boolean> {
  const lambdaD = host.handle(site, 'vera_lambda_d');
  const lambdaB = host.handle(site, 'vera_lambda_b');
  if (lambdaD === undefined || lambdaB === undefined) return false;
  const [d, scale] = [await host.read(lambdaD), await host.read(lambdaB)];
  const [a, b] = [await host.read(handleA as Handle), await host.read(handleB as Handle)];
  const widest = a.length / d.length;
  for (let out = 0; out < site.outFeatures; out++) {
    const row = new Float64Array(site.inFeatures);
    d.forEach((value, index) => {
      const factor = sign * (scale[out] as number) * (b[out * d.length + index] as number) * value;
      for (let column = 0; column < row.length; column++) {
        row[column] = (row[column] as number) + factor * (a[index * widest + column] as number);
      }
    });
    const start = out * site.inFeatures;
    row.forEach((value, column) => {
      weight[start + column] = (weight[start + column] as number) + value;
    });
  }
  return true;
}

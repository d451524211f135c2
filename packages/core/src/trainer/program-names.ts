/** Names of the small inputs that the host sets before every run. */
export const inputNames = {
  /** Which of the labels that the model gives a probability. */
  label: 'label',
  /** One over a normaliser, summed over the accumulated batch. */
  scale: (per: string): string => `scale.${per}`,
  learningRate: (group: number): string => `learningRate.${group}`,
  optimizerScalar: (group: number, name: string): string => `optimizer.${group}.${name}`,
  control: (method: string, name: string): string => `control.${method}.${name}`,
  objectiveControl: (name: string): string => `objective.${name}`,
};

/** Output names: the objective's terms, already scaled, what was observed, and what is predicted for each row. */
export const outputNames = {
  term: (name: string): string => `term.${name}`,
  /** A term's sum before it is divided by a normaliser. */
  sum: (per: string, kind: 'loss' | 'part' | 'metric', name: string): string => `sum.${per}.${kind}.${name}`,
  partsOfSum(output: string): { readonly per: string; readonly kind: string; readonly name: string } {
    const [, per = '', kind = '', ...name] = output.split('.');
    return { per, kind, name: name.join('.') };
  },
  predictions: 'predictions',
  observed: (name: string): string => `observed.${name}`,
};

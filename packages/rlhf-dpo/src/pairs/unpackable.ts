/** Why rows of pairs are not packed. */
export const unpackable = 'a row holds a prompt with one answer, and its pair another';

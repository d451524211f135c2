/** What a sequence's labels mean: `problem_type` of Hugging Face's configs, in short. */
export type ProblemType = 'single-label' | 'multi-label' | 'regression';

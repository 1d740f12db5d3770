export { bindOptions } from './bindOptions';
export * from './ChoiceField';
export { INPUT_WIDTH, LABEL_WIDTH, Labelled } from './Labelled';
export * from './PairsField';
export * from './SecretField';
export * from './Section';
export * from './SuggestField';
export * from './TextField';
export { useDraft } from './useDraft';

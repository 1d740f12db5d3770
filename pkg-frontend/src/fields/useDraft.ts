import { type FormEvent, type KeyboardEvent, useState } from 'react';

import { type Validator } from '../validation';

export interface Draft {
  text: string;
  error: string | undefined;
  /** For the input. */
  handlers: {
    onChange: (event: FormEvent<HTMLInputElement | HTMLTextAreaElement>) => void;
    onBlur: () => void;
    onKeyDown: (event: KeyboardEvent) => void;
  };
}

/**
 * Text that is being typed. It is committed when the field is left or Enter is pressed, not on each keystroke, and
 * Escape takes it back. `commit` returns false for text that cannot be saved at all: it then stays, with its error.
 */
export function useDraft(saved: string, commit: (text: string) => unknown, validate?: Validator): Draft {
  const [draft, setDraft] = useState<string>();
  const [refused, setRefused] = useState(false);
  const text = draft ?? saved;

  const finish = () => {
    const kept = draft !== undefined && draft !== saved && commit(draft) === false;
    setRefused(kept);
    setDraft(kept ? draft : undefined);
  };

  return {
    text,
    // A first draft is not called wrong before it is finished; one that is being mended shows when it is right.
    error: draft === undefined || refused || validate?.(saved) !== undefined ? validate?.(text) : undefined,
    handlers: {
      onChange: (event) => setDraft(event.currentTarget.value),
      onBlur: finish,
      onKeyDown: (event) => {
        if (event.key === 'Enter' && !(event.target instanceof HTMLTextAreaElement)) {
          finish();
        } else if (event.key === 'Escape' && draft !== undefined) {
          event.stopPropagation();
          setDraft(undefined);
          setRefused(false);
        }
      },
    },
  };
}

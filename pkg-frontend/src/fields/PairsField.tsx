import { css } from '@emotion/css';
import { type GrafanaTheme2 } from '@grafana/data';
import { Button, FieldValidationMessage, IconButton, Input, useStyles2 } from '@grafana/ui';
import { isEqual } from 'lodash';
import React, { type FocusEvent, type KeyboardEvent, useState } from 'react';

import { inputId } from '../selectors';
import { type Validator } from '../validation';

import { type FieldProps, Labelled } from './Labelled';

/** Left and right text of a row. */
export type Pair = [string, string];

interface Column {
  name: string;
  placeholder: string;
  validate?: Validator;
}

interface ListProps {
  label: string;
  /** What a row is, for its buttons and its accessible names. */
  noun: string;
  columns: [Column, Column];
  value: Pair[];
  onCommit: (pairs: Pair[]) => void;
}

/** A list of rows of two texts. A row is committed when the focus leaves it and its left side is not empty. */
export function PairsField({ noun, columns, value, onCommit, ...field }: ListProps & FieldProps) {
  return (
    <Labelled {...field} unbound grow>
      <Pairs {...{ noun, columns, value, onCommit, listId: inputId(field.testId, field.scope), label: field.label }} />
    </Labelled>
  );
}

function Pairs({ noun, columns, value, onCommit, label, listId }: ListProps & { listId: string }) {
  const styles = useStyles2(getStyles);
  const [draft, setDraft] = useState<Pair[]>();
  const pairs = draft ?? value;

  const commit = (next: Pair[]) => {
    const complete = next.filter(([left]) => left.trim() !== '');
    setDraft(complete.length === next.length ? undefined : next);
    if (!isEqual(complete, value)) {
      onCommit(complete);
    }
  };

  return (
    <div role="group" aria-label={label}>
      {pairs.map((pair, i) => (
        <Row
          key={i}
          id={`${listId}-${i}`}
          name={`${noun} ${i + 1}`}
          columns={columns}
          pair={pair}
          isSaved={isEqual(pair, value[i])}
          onType={(typed) => setDraft(pairs.map((other, j) => (j === i ? typed : other)))}
          onLeave={() => commit(pairs)}
          onRemove={() => commit(pairs.filter((_, j) => j !== i))}
        />
      ))}
      <Button
        variant="secondary"
        size="sm"
        icon="plus"
        type="button"
        className={styles.add}
        onClick={() => setDraft([...pairs, ['', '']])}
      >
        {`Add ${noun.toLowerCase()}`}
      </Button>
    </div>
  );
}

interface RowProps {
  id: string;
  name: string;
  columns: [Column, Column];
  pair: Pair;
  /** What is still being typed is not called wrong. */
  isSaved: boolean;
  onType: (pair: Pair) => void;
  onLeave: () => void;
  onRemove: () => void;
}

function Row({ id, name, columns, pair, isSaved, onType, onLeave, onRemove }: RowProps) {
  const styles = useStyles2(getStyles);
  const [left, right] = pair;
  const errors = [columns[0].validate?.(left), columns[1].validate?.(right)].map((e) => (isSaved ? e : undefined));
  const error = errors.find((e) => e !== undefined);

  const leave = (event: FocusEvent<HTMLDivElement>) => {
    if (!event.currentTarget.contains(event.relatedTarget)) {
      onLeave();
    }
  };
  const enter = (event: KeyboardEvent<HTMLDivElement>) => {
    if (event.key === 'Enter' && event.target instanceof HTMLInputElement) {
      onLeave();
    }
  };
  const input = (column: 0 | 1) => ({
    id: `${id}-${column}`,
    'aria-label': `${name} ${columns[column].name}`,
    placeholder: columns[column].placeholder,
    value: pair[column],
    invalid: errors[column] !== undefined,
    spellCheck: false,
  });

  return (
    <div onBlur={leave} onKeyDown={enter}>
      <div className={styles.row}>
        <div className={styles.left}>
          {/* A row that was just added is there to be typed into. */}
          <Input
            {...input(0)}
            onChange={(e) => onType([e.currentTarget.value, right])}
            autoFocus={left + right === ''}
          />
        </div>
        <div className={styles.right}>
          <Input {...input(1)} onChange={(e) => onType([left, e.currentTarget.value])} />
        </div>
        <IconButton name="trash-alt" type="button" tooltip={`Remove ${name.toLowerCase()}`} onClick={onRemove} />
      </div>
      {error !== undefined && <FieldValidationMessage>{error}</FieldValidationMessage>}
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  row: css({ display: 'flex', alignItems: 'center', gap: theme.spacing(0.5), marginBottom: theme.spacing(0.5) }),
  left: css({ flex: '0 1 160px', minWidth: 0 }),
  right: css({ flex: '0 1 288px', minWidth: 0 }),
  add: css({ marginTop: theme.spacing(0.5) }),
});

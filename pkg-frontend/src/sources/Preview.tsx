import { css } from '@emotion/css';
import { type GrafanaTheme2, type TimeRange } from '@grafana/data';
import { Alert, Button, InlineFieldRow, useStyles2 } from '@grafana/ui';
import React, { useState } from 'react';

import { type OutriderDataSource } from '../datasource';
import { inputId } from '../selectors';
import { type PreviewTable, type Source } from '../types';

interface Props {
  source: Source;
  datasource: OutriderDataSource;
  range?: TimeRange;
  scope: string;
  testId: string;
}

type Shown = { table: PreviewTable } | { error: string } | 'asking';

/** Asks the query and shows the first points as they were understood. */
export function Preview({ source, datasource, range, scope, testId }: Props) {
  // What is shown belongs to these options; an answer that comes after they changed belongs to none.
  const key = JSON.stringify(source);
  const [asked, setAsked] = useState<{ key: string; shown: Shown }>();
  const shown = asked?.key === key ? asked.shown : undefined;

  const ask = async () => {
    setAsked({ key, shown: 'asking' });
    const answer = await datasource.preview(source, range).then(
      (table) => ({ table }),
      (error: unknown) => ({ error: messageOf(error) }),
    );
    setAsked((latest) => (latest?.key === key ? { key, shown: answer } : latest));
  };

  return (
    <>
      <InlineFieldRow>
        <Button
          id={inputId(testId, scope)}
          data-testid={testId}
          variant="secondary"
          icon={shown === 'asking' ? 'fa fa-spinner' : 'eye'}
          disabled={shown === 'asking'}
          tooltip="Asks the upstream now, and shows the first points as they are understood."
          onClick={() => void ask()}
        >
          Preview
        </Button>
      </InlineFieldRow>
      {typeof shown === 'object' && 'error' in shown && (
        <Alert severity="error" title="The answer cannot be used">
          {shown.error}
        </Alert>
      )}
      {typeof shown === 'object' && 'table' in shown && <Table table={shown.table} />}
    </>
  );
}

function Table({ table }: { table: PreviewTable }) {
  const styles = useStyles2(getStyles);
  return (
    <div>
      <p>
        {table.points} points in {table.series} series: <code>{table.executed}</code>
      </p>
      {table.notices.map((notice) => (
        <Alert key={notice} severity="warning" title={notice} />
      ))}
      {table.rows.length > 0 && (
        <table className={styles.table} aria-label="Preview">
          <thead>
            <tr>
              {table.columns.map((name) => (
                <th key={name}>{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.map((row, i) => (
              <tr key={i}>
                {row.map((cell, j) => (
                  <td key={j}>{cell}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

/** What the backend says, or else what Grafana does. */
function messageOf(error: unknown): string {
  const { data, message } = (error ?? {}) as { data?: { error?: string; message?: string }; message?: string };
  return data?.error ?? data?.message ?? message ?? 'The plugin did not answer.';
}

const getStyles = (theme: GrafanaTheme2) => ({
  table: css({
    marginBottom: theme.spacing(1),
    'th, td': { padding: theme.spacing(0, 2, 0, 0), fontFamily: theme.typography.fontFamilyMonospace },
  }),
});

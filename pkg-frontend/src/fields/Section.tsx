import { css } from '@emotion/css';
import { type GrafanaTheme2 } from '@grafana/data';
import { Button, useStyles2 } from '@grafana/ui';
import React, { type ReactNode, useState } from 'react';

import { inputId } from '../selectors';

interface Props {
  testId: string;
  scope: string;
  title: string;
  /** What is set inside, in a few words, for when it is closed. */
  summary: string;
  children: ReactNode;
}

/** A section that opens and closes, by keyboard too (the header of Collapse is no button in Grafana 9). */
export function Section({ testId, scope, title, summary, children }: Props) {
  const styles = useStyles2(getStyles);
  const [isOpen, setOpen] = useState(false);
  const bodyId = `${inputId(testId, scope)}-body`;
  return (
    <div data-testid={testId}>
      <div className={styles.header}>
        <Button
          type="button"
          variant="secondary"
          fill="text"
          size="sm"
          icon={isOpen ? 'angle-down' : 'angle-right'}
          aria-expanded={isOpen}
          aria-controls={bodyId}
          onClick={() => setOpen(!isOpen)}
        >
          {title}
        </Button>
        {!isOpen && <span className={styles.summary}>{summary}</span>}
      </div>
      <div id={bodyId} hidden={!isOpen} className={styles.body}>
        {isOpen && children}
      </div>
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  header: css({ display: 'flex', alignItems: 'center', gap: theme.spacing(1), marginBottom: theme.spacing(0.5) }),
  summary: css({ color: theme.colors.text.secondary, fontSize: theme.typography.bodySmall.fontSize }),
  body: css({ paddingLeft: theme.spacing(2) }),
});

import React from 'react';

/** Stands in for icons, which are fetched over the network. */
export default function Svg({ 'aria-hidden': hidden, className }: { 'aria-hidden'?: boolean; className?: string }) {
  return <svg aria-hidden={hidden} className={className} />;
}

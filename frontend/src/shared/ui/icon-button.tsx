/** A button that is only an icon, with a name for everybody else. */
import type { ComponentProps, ReactNode } from "react";

import styles from "./button.module.css";
import { Icon, type IconName } from "./icon";

interface IconButtonProps extends Omit<ComponentProps<"button">, "children"> {
  icon: IconName;
  label: string;
  size?: number;
}

export function IconButton({
  icon,
  label,
  size = 18,
  className,
  ...rest
}: IconButtonProps): ReactNode {
  const names = [styles["icon"], className].filter(Boolean).join(" ");
  return (
    <button type="button" {...rest} className={names} aria-label={label} title={label}>
      <Icon name={icon} size={size} />
    </button>
  );
}

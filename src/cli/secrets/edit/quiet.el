;; Loaded after the init file, before the text is visited: nothing of it may be kept outside the private folder.
(defvar stax-folder (file-name-as-directory (getenv "STAX_EDIT")))
(defun stax-keep-nothing (&rest _)
  (setq make-backup-files nil
        backup-directory-alist (list (cons "." stax-folder))
        auto-save-default nil
        auto-save-file-name-transforms (list (list ".*" stax-folder t))
        auto-save-list-file-prefix nil
        create-lockfiles nil
        undo-tree-auto-save-history nil)
  (setq-local backup-inhibited t
              make-backup-files nil)
  (when buffer-auto-save-file-name (auto-save-mode -1)))
(stax-keep-nothing)
;; after what an init file does there
(dolist (hook '(find-file-hook after-change-major-mode-hook first-change-hook before-save-hook))
  (add-hook hook #'stax-keep-nothing t))
;; these keep registers, searches and what was cut, now and then and at the end
(dolist (mode '(savehist-mode desktop-save-mode undo-fu-session-global-mode))
  (when (and (boundp mode) (symbol-value mode)) (funcall mode -1)))
(setq kill-emacs-hook nil
      kill-emacs-query-functions nil)

" Sourced before the vimrc, after it, and at each event below: by then nothing of the text may be kept
" outside the private folder. Each time the commands go to the end of the queue, behind what a vimrc or a
" plugin has added since.
augroup stax
autocmd!
autocmd VimEnter,BufReadPre,BufReadPost,BufNewFile,BufWinEnter,InsertEnter,InsertLeave,CursorMoved,CmdlineEnter,BufWinLeave,BufWritePre,FileWritePre,VimLeavePre * source $STAX_EDIT/quiet.vim
augroup END
silent! set noundofile undodir=$STAX_EDIT
silent! set nobackup nowritebackup patchmode= backupdir=$STAX_EDIT
silent! set noswapfile updatecount=0 directory=$STAX_EDIT
" registers and searches: Vim keeps them in the one, Neovim in the other
silent! set viminfo=
silent! set viminfofile=NONE
silent! set shada=
silent! set shadafile=NONE
silent! set viewdir=$STAX_EDIT
silent! set verbosefile=
silent! set nomodeline
silent! let g:netrw_dirhistmax = 0

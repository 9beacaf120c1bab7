"""Training and prediction with PyTorch, for those who ask for it: nothing else of cnncli imports torch.

The extra is `pip install 'cnncli[torch]'`. Networks, weights, files, losses, data and the training loop are cnncli's
own; only what goes on between a batch and its gradients is PyTorch's here.
"""
